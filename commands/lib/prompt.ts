import * as readline from "node:readline/promises";
import { UserError } from "../../lib/errors";
import { interruption } from "./signals";

/**
 * Asks the person at the terminal; returns what was typed.
 *
 * @param instead what to do without a terminal, such as "Add --yes to continue without a question."
 * @throws UserError without a terminal
 */
export async function ask(question: string, instead: string): Promise<string> {
  if (process.stdin.isTTY !== true) {
    throw new UserError(`${question.trim()}\nNobody can answer: this is not a terminal. ${instead}`);
  }
  const terminal = readline.createInterface({ input: process.stdin, output: process.stderr });
  // The line editor catches Ctrl-C. Here it must interrupt the command, as everywhere else.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return (await terminal.question(question, { signal: interruption })).trim();
  } catch (error) {
    interruption.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}

/** Whether the person says yes. Anything other than `y` or `yes` means no. */
export async function confirm(question: string): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(`${question} [y/N] `, "Add --yes to continue without a question."));
}
