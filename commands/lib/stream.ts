import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { forwardSignals, interruption, kill } from "./signals";
import { projectRoot } from "../../lib/paths";
import { CommandError, keepLast, lineSplitter } from "./run";

export interface StreamOptions {
  environment: NodeJS.ProcessEnv;
  /** What the child reads from stdin. @default nothing */
  from?: Readable;
  /** Gets its stdout as raw bytes. It is not closed at the end. @default to `onLine` */
  to?: Writable;
  /** Called with every line for people. */
  onLine: (line: string) => void;
}

/**
 * Runs a program that reads or writes more than fits into memory.
 *
 * @throws CommandError when it cannot be started or exits with another code than 0
 * @throws the error with which reading `from` or writing `to` failed
 */
export async function runStreaming(
  command: string,
  args: readonly string[],
  { environment, from, to, onLine }: StreamOptions,
): Promise<void> {
  interruption.throwIfAborted();
  const child = spawn(command, args, {
    cwd: projectRoot,
    env: environment,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  forwardSignals(child);
  if (from === undefined) {
    child.stdin.end();
  }
  const lastLines: string[] = [];
  const receive = (line: string): void => {
    keepLast(lastLines, line);
    onLine(line);
  };
  const outcome = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("close", (code, signal) =>
      resolve(code === 0 ? undefined : signal === null ? `failed with exit code ${code}` : `was ended by ${signal}`),
    );
  });
  const stopping = async (work: Promise<unknown>): Promise<Error | undefined> =>
    work.then(
      () => undefined,
      (error: unknown) => {
        kill(child, "SIGTERM");
        return error instanceof Error ? error : new Error(String(error));
      },
    );
  const [given, taken] = await Promise.all([
    from === undefined ? undefined : stopping(pipeline(from, child.stdin)),
    stopping(to === undefined ? lines(child.stdout, receive) : pipeline(child.stdout, to, { end: false })),
    lines(child.stderr, receive),
  ]);
  const ended = await outcome;
  interruption.throwIfAborted();
  // If `to` fails, its error is the cause, whatever the child prints then. If the child ended early, its own output
  // says why, and the broken pipe to it adds nothing.
  if (taken !== undefined) {
    throw taken;
  }
  if (ended !== undefined && (given === undefined || lastLines.length > 0)) {
    throw new CommandError([command, ...args].join(" "), ended, lastLines);
  }
  if (given !== undefined) {
    throw given;
  }
}

async function lines(stream: Readable, receive: (line: string) => void): Promise<void> {
  const splitter = lineSplitter(receive);
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    splitter.push(chunk as string);
  }
  splitter.end();
}
