import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { projectRoot } from "../../lib/paths";
import { forwardSignals, interruption, kill } from "./signals";
import { CommandError, failureOf, keepLast, lineSplitter } from "./run";

export interface StreamOptions {
  environment: NodeJS.ProcessEnv;
  /** What the child reads from stdin. @default nothing */
  from?: Readable;
  /** Gets its stdout as raw bytes, and is not closed at the end. @default `onLine` gets its stdout too */
  to?: Writable;
  /** Called with every line of stderr. */
  onLine: (line: string) => void;
}

/**
 * Runs a program whose input or output may not fit into memory.
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
  const childFailure = failureOf(child, command);
  /** Stops the child when a stream fails. Resolves to the stream's error. */
  const errorOf = async (work: Promise<unknown>): Promise<Error | undefined> =>
    work.then(
      () => undefined,
      (error: unknown) => {
        kill(child, "SIGTERM");
        return error instanceof Error ? error : new Error(String(error));
      },
    );
  const [inputError, outputError] = await Promise.all([
    from === undefined ? undefined : errorOf(pipeline(from, child.stdin)),
    errorOf(to === undefined ? lines(child.stdout, receive) : pipeline(child.stdout, to, { end: false })),
    lines(child.stderr, receive),
  ]);
  const failure = await childFailure;
  interruption.throwIfAborted();
  // If `to` fails, its error is the cause, whatever the child prints then. If the child ended early, its own output
  // says why, and the broken pipe to it adds nothing.
  if (outputError !== undefined) {
    throw outputError;
  }
  if (failure !== undefined && (inputError === undefined || lastLines.length > 0)) {
    const { outcome, exitCode } = failure;
    throw new CommandError([command, ...args].join(" "), outcome, lastLines, { exitCode });
  }
  if (inputError !== undefined) {
    throw inputError;
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
