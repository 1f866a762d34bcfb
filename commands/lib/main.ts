import { Interrupted, UserError } from "../../lib/errors";
import { exitCodeOf, handleInterruptions } from "./signals";
import { withoutShims } from "./environment";

/**
 * Runs work to its exit code, and turns what it throws into a message.
 *
 * @param again what to type after an interruption
 */
export function main(work: (args: string[]) => Promise<number | void>, again: string): void {
  handleInterruptions();
  // A reader that closes the pipe early, such as `head`, is not a failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") {
      throw error;
    }
    process.exit(0);
  });
  // A shell that evaluated `archon env` has our own `pulumi` first on PATH: found from here, it would start itself.
  process.env.PATH = withoutShims(process.env.PATH);
  work(process.argv.slice(2)).then(
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
    console.error(`\nStopped. Run \`${again}\` again to continue; nothing was left half-finished.`);
    return exitCodeOf(error.signal);
  }
  if (error instanceof UserError) {
    console.error(`\n${error.message}`);
  } else {
    console.error(error);
  }
  return 1;
}
