import { Interrupted, UserError } from "../../lib/errors";
import { exitCodeOf, handleInterruptions } from "./interruption";
import { withoutShims } from "./environment";

/**
 * Runs a command to its exit code and turns what it throws into words.
 *
 * @param again what to type after an interruption
 */
export function main(command: (args: string[]) => Promise<number | void>, again: string): void {
  handleInterruptions();
  // A shell that evaluated `npm run env` has our own `pulumi` first on PATH: found from here, it would start itself.
  process.env.PATH = withoutShims(process.env.PATH);
  command(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code ?? 0;
    },
    (error: unknown) => {
      process.exitCode = report(error, again);
    },
  );
}

function report(error: unknown, again: string): number {
  if (error instanceof Interrupted) {
    console.error(`\nStopped. Nothing is half-made: run \`${again}\` again to go on.`);
    return exitCodeOf(error.signal);
  }
  if (error instanceof UserError) {
    console.error(`\n${error.message}`);
  } else {
    console.error(error);
  }
  return 1;
}
