import { Option } from "commander";
import { devStack } from "../../config/stack";

/** The option that most verbs have. */
export function stackOption(): Option {
  return new Option("--stack <name>", "name of the stack").default(devStack);
}

/** The option as a person has to repeat it in the next command; empty for the default. */
export function stackFlag(stack: string): string {
  return stack === devStack ? "" : ` --stack ${stack}`;
}

/** Gathers the values of an option that may be given several times. */
export function repeatable(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

/** The examples below the help of a verb, each with what it does. */
export function examples(...lines: readonly [command: string, meaning: string][]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return ["", "Examples:", ...lines.map(([command, meaning]) => `  ${command.padEnd(width)}  ${meaning}`)].join("\n");
}
