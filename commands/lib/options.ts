import { Option } from "commander";
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

/** The examples below the help of a command, each with what it does. */
export function examples(...lines: readonly [command: string, meaning: string][]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return ["", "Examples:", ...lines.map(([command, meaning]) => `  ${command.padEnd(width)}  ${meaning}`)].join("\n");
}
