import { Interrupted, UserError } from "../../lib/errors";
import { exitCodeOf, handleInterruptions } from "./signals";
import { withoutShims } from "./environment";

/**
 * Runs a command and sets the exit code of this process. Turns what the command throws into a message.
 *
 * @param work resolves to the exit code; nothing means 0
 * @param again what to type after an interruption
 */
export function main(work: (args: string[]) => Promise<number | void>, again: string): void {
  handleInterruptions();
  // It is no failure when a reader such as `head` closes the pipe early.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") {
      throw error;
    }
    process.exit(0);
  });
  // In a shell that evaluated `archon env`, our own `pulumi` is first on PATH: started from here, it would start itself.
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
