import * as fs from "node:fs";
import * as path from "node:path";

/** What a call of Pulumi does with stack files. */
export interface Invocation {
  /** Reads or writes the configuration of a stack. */
  usesConfig: boolean;
  /** Name of the stack that it creates, if it does. */
  creates: string | undefined;
  /** Copies configuration into the stack that it creates. */
  copiesConfig: boolean;
  /** The stack named on the command line, without organization and project. */
  stack: string | undefined;
  /** Changes the user's credentials: `login`, `logout`. */
  logsIn: boolean;
  /** Names another directory or configuration file, so it does not use this project's stack files. */
  elsewhere: boolean;
}

/** The commands of Pulumi that have a `--config-file`. */
const configCommands = new Set([
  "up",
  "update",
  "preview",
  "pre",
  "refresh",
  "destroy",
  "down",
  "dn",
  "import",
  "watch",
  "logs",
  "config",
]);
const createCommands = new Set(["new", "init", "create", "setup"]);

/** Options whose value is the next argument: those that may come before the command, and those that matter here. */
const valueOptions = new Set([
  "-s",
  "--stack",
  "-C",
  "--cwd",
  "--config-file",
  "--copy-config-from",
  "--color",
  "-v",
  "--verbose",
  "--secrets-provider",
]);

/** Reads the arguments of a call of Pulumi, and ignores unknown ones. */
export function parseInvocation(args: readonly string[]): Invocation {
  const options = new Map<string, string>();
  const positional: string[] = [];
  for (let index = 0; index < args.length && args[index] !== "--"; index += 1) {
    const argument = args[index] ?? "";
    const joined = /^(--[a-z-]+)=(.*)$/s.exec(argument) ?? /^(-[sC])=?(.+)$/s.exec(argument);
    if (joined?.[1] !== undefined) {
      options.set(joined[1], joined[2] ?? "");
    } else if (valueOptions.has(argument)) {
      index += 1;
      options.set(argument, args[index] ?? "");
    } else if (!argument.startsWith("-")) {
      positional.push(argument);
    }
  }
  const [command, subcommand, name] = positional;
  const stack = options.get("-s") ?? options.get("--stack");
  const creates = command === "stack" && createCommands.has(subcommand ?? "") ? (stack ?? name) : undefined;
  return {
    usesConfig: configCommands.has(command ?? ""),
    creates: creates === undefined ? undefined : shortName(creates),
    copiesConfig: options.has("--copy-config-from"),
    logsIn: command === "login" || command === "logout",
    stack: stack === undefined ? undefined : shortName(stack),
    elsewhere: ["-C", "--cwd", "--config-file"].some((option) => options.has(option)),
  };
}

/** Whether a call of Pulumi runs the program, or works on what the state says of the engine. */
export function runsProgram(args: readonly string[]): boolean {
  return parseInvocation(args).usesConfig && !args.includes("config");
}

/** `dev` of `organization/archon/dev`. */
function shortName(stack: string): string {
  return stack.slice(stack.lastIndexOf("/") + 1);
}

/** Whether Pulumi, started in `directory`, would use the project in `root`: it takes the nearest one upwards. */
export function isInProject(directory: string, root: string): boolean {
  const hasProject = ["Pulumi.yaml", "Pulumi.yml", "Pulumi.json"].some((name) =>
    fs.existsSync(path.join(directory, name)),
  );
  if (hasProject || directory === path.dirname(directory)) {
    return fs.existsSync(directory) && fs.realpathSync(directory) === fs.realpathSync(root);
  }
  return isInProject(path.dirname(directory), root);
}
