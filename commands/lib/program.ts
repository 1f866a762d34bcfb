import { Command, CommanderError } from "commander";
import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { projectRoot } from "../../lib/paths";
import { groups, type CommandEntry } from "./command-list";
import { silent } from "./progress";
import { settleState } from "./settle-state";

/** Exit codes, as `--help` documents them. A signal adds its number to 128, as in a shell. */
const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const commands: readonly CommandEntry[] = groups.flatMap((group) => group.commands);

const epilogue = `
Examples:
  ${archon("start")}                      deploy the demo and search in it
  ${archon("preview")}                    see what an update would change
  ${archon("rollback previous")}          return to the release that ran before
  ${archon("pulumi up --stack prod")}     update a stack with Pulumi itself

Exit codes: ${EXIT_OK} done, ${EXIT_FAILED} failed, ${EXIT_USAGE} wrong usage, 130 interrupted with Ctrl-C (128 + the number of any other signal).
\`pulumi\` exits as Pulumi does.`;

/**
 * Runs the command line. A command that does its work but finds something wrong sets `process.exitCode` itself.
 *
 * @param args what follows the program's name
 * @returns the exit code
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  const program = await buildProgram(args);
  try {
    await program.parseAsync(withDefaultSubcommand(args), { from: "user" });
    return Number(process.exitCode ?? EXIT_OK);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed the help, the version, or what is wrong with the arguments.
      return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    }
    throw error;
  }
}

/** The program with every command. Only the chosen one is loaded and knows its arguments. */
async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command("archon")
    .usage("<command> [options]")
    .description("Keeps ML environments and models out of Docker images, and deploys the servers that use them.")
    .version(version(), "--version", "show the version of this checkout")
    .helpOption("--help", `show this help; \`${archon("COMMAND --help")}\` shows that of a command`)
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError(`\`${archon("--help")}\` lists the commands.`)
    .exitOverride()
    .hook("preAction", () => settleState({ ...silent, message: (line) => console.error(line) }))
    .addHelpText("after", epilogue);
  const [chosen] = args;
  for (const { title, commands: members } of groups) {
    for (const { name, summary, load } of members) {
      const command = program.command(name).summary(summary).description(capitalised(summary)).helpGroup(title);
      command.helpOption("--help", "show this help").helpCommand(false);
      command.showHelpAfterError(`\`${archon(`${name} --help`)}\` shows how to use it.`);
      if (name === chosen) {
        (await load()).define(command);
      }
    }
  }
  return program;
}

/**
 * `models --json` means `models list --json`. Commander's own default subcommand is not used: with it, Commander takes
 * a mistyped subcommand for an argument and does not suggest the nearest one.
 */
function withDefaultSubcommand(args: readonly string[]): string[] {
  const [name = "", next] = args;
  const subcommand = commands.find((each) => each.name === name)?.defaultSubcommand;
  const isNamed = next !== undefined && (!next.startsWith("-") || next === "--help");
  return subcommand === undefined || isNamed ? [...args] : [name, subcommand, ...args.slice(1)];
}

function capitalised(sentence: string): string {
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

function version(): string {
  return (JSON.parse(fs.readFileSync(path.join(projectRoot, "package.json"), "utf8")) as { version: string }).version;
}
