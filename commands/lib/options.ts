import { InvalidArgumentError, Option } from "commander";
import * as path from "node:path";
import { devStack } from "../../config/stack";

/** The option that most commands have. */
export function stackOption(): Option {
  return new Option("--stack <name>", "name of the stack").default(devStack);
}

/** The option to repeat in a command that a message suggests; empty for the default stack. */
export function stackFlag(stack: string): string {
  return stack === devStack ? "" : ` --stack ${stack}`;
}

/** Gathers the values of an option that may be given several times. */
export function repeatable(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

/** Reads the value of an option that counts something. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("It must be a whole number.");
  }
  return value;
}

/** Where the user started npm: npm runs its scripts in the root of the checkout. */
export function callersDirectory(): string {
  return process.env.INIT_CWD ?? process.cwd();
}

/** Absolute path of a file that the user has named, from {@link callersDirectory}. */
export function callersPath(file: string): string {
  if (file === "") {
    throw new InvalidArgumentError("It is empty.");
  }
  return path.resolve(callersDirectory(), file);
}

/** The examples below the help of a command, each with what it does. */
export function examples(...lines: readonly [command: string, meaning: string][]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return ["", "Examples:", ...lines.map(([command, meaning]) => `  ${command.padEnd(width)}  ${meaning}`)].join("\n");
}
