import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { UserError } from "../../lib/errors";
import { forwardSignals, interruption, kill } from "./signals";
import { display, logDirectory, projectRoot } from "../../lib/paths";

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

/** A child process that failed: its command line, how it ended, its last lines, and the file with all of them. */
export class CommandError extends UserError {
  constructor(
    readonly command: string,
    readonly outcome: string,
    readonly lastLines: readonly string[],
    readonly log?: string,
    /** Everything that it wrote to stdout. */
    readonly stdout: string = "",
  ) {
    super(
      [
        `\`${command}\` ${outcome}${lastLines.length > 0 ? ":" : "."}`,
        ...lastLines.map((line) => `  ${line}`),
        ...(log === undefined ? [] : [`All of its output: ${display(log)}`]),
      ].join("\n"),
    );
  }
}

/** The number of lines of a failed child that its error repeats. */
const lastLineCount = 15;

/** Adds a line to those that an error may repeat, and drops the oldest. */
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

  // A process group of its own: the terminal's Ctrl-C then comes once, through `forwardSignals`, and reaches
  // grandchildren.
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

  const outcome = await ended(child, command);
  clearTimeout(timer?.handle);
  await new Promise((resolve) => (log === undefined ? resolve(undefined) : log.end(resolve)));
  interruption.throwIfAborted();
  if (outcome !== undefined) {
    const reason = timer?.expired === true ? `was still running after ${options.timeoutSeconds} s` : outcome;
    throw new CommandError(shown, reason, lastLines, log === undefined ? undefined : String(log.path), stdout.join(""));
  }
  return stdout.join("");
}

/** Resolves to what went wrong, or to undefined when the child exited with 0. */
function ended(child: ChildProcess, command: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === "ENOENT"
          ? `could not be started: no program "${command}" on PATH`
          : `could not be started: ${error.message}`,
      ),
    );
    child.once("close", (code, signal) => {
      resolve(code === 0 ? undefined : signal === null ? `failed with exit code ${code}` : `was ended by ${signal}`);
    });
  });
}

/** Cuts a stream of text into lines. Progress bars end theirs with a carriage return, so that ends a line too. */
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

/** Opens a log in `.archon/logs/`, which begins with the time and the command. */
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
