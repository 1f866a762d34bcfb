import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { UserError } from "../../lib/errors";
import { display, logDirectory, projectRoot } from "../../lib/paths";
import { forwardSignals, interruption, kill } from "./signals";

export interface RunOptions {
  /** @default the checkout */
  cwd?: string;
  /** The whole environment of the child. @default that of this process */
  environment?: NodeJS.ProcessEnv;
  /** What the child reads from stdin. @default nothing */
  input?: string;
  /** Called with every line of stdout and stderr as it arrives, without its end. */
  onLine?: (line: string) => void;
  /** Name of a file in `.archon/logs/` (without `.log`) that gets every line. @default no log */
  log?: string;
  /** Seconds after which the child is killed and the run fails. @default never */
  timeoutSeconds?: number;
  /**
   * Ctrl-C waits for this child instead of reaching it. For children that must not be interrupted, such as dpkg.
   * @default false
   */
  uninterruptible?: boolean;
}

export interface FailureDetails {
  /** File with all of its output. @default none */
  log?: string | undefined;
  /** Everything that it wrote to stdout. @default nothing */
  stdout?: string;
  /** @default none: it did not exit by itself */
  exitCode?: number | undefined;
}

/** A child process that failed. The message has its command line, how it ended, its last lines and the path of its log. */
export class CommandError extends UserError {
  readonly stdout: string;
  readonly exitCode: number | undefined;

  constructor(
    readonly command: string,
    /** How it ended, such as `failed with exit code 1`. */
    readonly outcome: string,
    readonly lastLines: readonly string[],
    { log, stdout = "", exitCode }: FailureDetails = {},
  ) {
    super(
      [
        `\`${command}\` ${outcome}${lastLines.length > 0 ? ":" : "."}`,
        ...lastLines.map((line) => `  ${line}`),
        ...(log === undefined ? [] : [`All of its output: ${display(log)}`]),
      ].join("\n"),
    );
    this.stdout = stdout;
    this.exitCode = exitCode;
  }
}

/** How many of the last lines of a failed child its error repeats. */
const lastLineCount = 15;

/** Adds a line to the last lines of a child, and drops the oldest. */
export function keepLast(lines: string[], line: string): void {
  lines.push(line);
  lines.splice(0, lines.length - lastLineCount);
}

/**
 * Runs a program to its end and returns what it wrote to stdout.
 *
 * @throws CommandError when it cannot be started, exits with another code than 0, or runs out of time
 * @throws Interrupted when a signal interrupted this command
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  interruption.throwIfAborted();
  const shown = [command, ...args].map(quoteForDisplay).join(" ");
  const log = options.log === undefined ? undefined : openLog(options.log, shown);
  const lastLines: string[] = [];
  const stdout: string[] = [];
  const receive = (line: string): void => {
    log?.write(`${line}\n`);
    if (line.trim() !== "") {
      keepLast(lastLines, line);
    }
    options.onLine?.(line);
  };

  // In a process group of its own, the child gets Ctrl-C once, through `forwardSignals`, and so do its own children.
  const child = spawn(command, args, {
    cwd: options.cwd ?? projectRoot,
    env: options.environment ?? process.env,
    detached: true,
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  if (options.uninterruptible !== true) {
    forwardSignals(child);
  }
  const timer = startTimer(child, options.timeoutSeconds);
  splitLines(child.stdout, (line) => {
    stdout.push(`${line}\n`);
    receive(line);
  });
  splitLines(child.stderr, receive);
  feed(child, options.input);

  const failure = await failureOf(child, command);
  clearTimeout(timer?.handle);
  await new Promise((resolve) => (log === undefined ? resolve(undefined) : log.end(resolve)));
  interruption.throwIfAborted();
  if (failure !== undefined) {
    const outcome = timer?.expired === true ? `was still running after ${options.timeoutSeconds} s` : failure.outcome;
    throw new CommandError(shown, outcome, lastLines, {
      log: log && String(log.path),
      stdout: stdout.join(""),
      exitCode: failure.exitCode,
    });
  }
  return stdout.join("");
}

/** Resolves when the child has ended: to what went wrong, or to undefined when it exited with 0. */
export function failureOf(
  child: ChildProcess,
  command: string,
): Promise<{ outcome: string; exitCode?: number } | undefined> {
  return new Promise((resolve) => {
    child.once("error", ({ code, message }: NodeJS.ErrnoException) => {
      const reason = code === "ENOENT" ? `no program "${command}" on PATH` : message;
      resolve({ outcome: `could not be started: ${reason}` });
    });
    child.once("close", (code, signal) => {
      if (code === 0) {
        resolve(undefined);
      } else if (code === null) {
        resolve({ outcome: `was ended by ${signal}` });
      } else {
        resolve({ outcome: `failed with exit code ${code}`, exitCode: code });
      }
    });
  });
}

/** Cuts a stream of text into lines. A carriage return ends a line too, because progress bars end theirs with one. */
export function lineSplitter(onLine: (line: string) => void): { push(chunk: string): void; end(): void } {
  let rest = "";
  return {
    push(chunk) {
      const parts = (rest + chunk).split(/\r?\n|\r(?!\n|$)/);
      rest = parts.pop() ?? "";
      parts.forEach(onLine);
    },
    end() {
      if (rest !== "") {
        onLine(rest.replace(/\r$/, ""));
      }
      rest = "";
    },
  };
}

function splitLines(stream: Readable | null, onLine: (line: string) => void): void {
  const splitter = lineSplitter(onLine);
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => splitter.push(chunk));
  stream?.on("end", () => splitter.end());
}

function feed(child: ChildProcess, input: string | undefined): void {
  // The exit code of a child that stops reading early says why; the error of the broken pipe adds nothing.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
}

function startTimer(
  child: ChildProcess,
  seconds: number | undefined,
): { handle: NodeJS.Timeout; expired: boolean } | undefined {
  if (seconds === undefined) {
    return undefined;
  }
  const timer = {
    expired: false,
    handle: setTimeout(() => {
      timer.expired = true;
      kill(child, "SIGKILL");
    }, seconds * 1000),
  };
  return timer;
}

/**
 * Opens a log in `.archon/logs/`, which begins with the time and the command. It replaces an earlier log of that name.
 * @param name of the file, without `.log`
 */
export function openLog(name: string, command: string): fs.WriteStream {
  fs.mkdirSync(logDirectory, { recursive: true });
  const stream = fs.createWriteStream(path.join(logDirectory, `${name}.log`));
  // On a full disk the child itself fails, with a better message than this stream's.
  stream.on("error", () => undefined);
  stream.write(`# ${new Date().toISOString()}  ${command}\n`);
  return stream;
}

function quoteForDisplay(argument: string): string {
  return /^[\w@%+=:,./{}[\]-]+$/.test(argument) ? argument : `'${argument}'`;
}
