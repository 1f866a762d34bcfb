import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Progress } from "./progress";
import { sleep } from "./signals";

/** How often the holder touches its lock, to show that it is alive. */
const heartbeatMilliseconds = 5_000;

/** How long another process must see a lock untouched before it counts as abandoned. */
const abandonedMilliseconds = 30_000;
const pollMilliseconds = 300;

interface Owner {
  host: string;
  pid: number;
}

/**
 * Runs `work` with an exclusive lock on `file`; waits until it is free. The lock of a killed process is removed: at once
 * if the process ran on this host, otherwise (another container, another machine) after half a minute.
 *
 * @param holder what a process that holds it is, for the message of one that waits, such as "set-up of the same tools"
 */
export async function withLock<T>(
  file: string,
  holder: string,
  progress: Progress,
  work: () => Promise<T>,
): Promise<T> {
  const mine = JSON.stringify({ host: os.hostname(), pid: process.pid } satisfies Owner);
  await acquire(file, mine, holder, progress);
  const heartbeat = setInterval(() => touch(file), heartbeatMilliseconds);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if (read(file)?.text === mine) {
      fs.rmSync(file, { force: true });
    }
  }
}

async function acquire(file: string, mine: string, holder: string, progress: Progress): Promise<void> {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  let watched: { state: Held; since: number } | undefined;
  while (!create(file, mine)) {
    const held = read(file);
    if (held === undefined) {
      continue;
    }
    const owner = JSON.parse(held.text) as Owner;
    if (isDead(owner)) {
      removeAbandoned(file, held);
      continue;
    }
    if (watched === undefined) {
      progress.message(`Waiting for another ${holder} (process ${owner.pid} on ${owner.host})`);
    }
    if (watched?.state.text !== held.text || watched.state.touched !== held.touched) {
      watched = { state: held, since: performance.now() };
    }
    if (performance.now() - watched.since > abandonedMilliseconds) {
      removeAbandoned(file, held);
    } else {
      await sleep(pollMilliseconds);
    }
  }
}

/** Creates the lock if there is none. It is written elsewhere and linked, so that nobody reads a lock without an owner. */
function create(file: string, text: string): boolean {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, text);
  try {
    fs.linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw error;
    }
    return false;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

interface Held {
  text: string;
  /** Modification time. Compared only with an earlier one of the same file: the clocks of two machines may differ. */
  touched: number;
}

function read(file: string): Held | undefined {
  try {
    return { text: fs.readFileSync(file, "utf8"), touched: fs.statSync(file).mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw error;
    }
    return undefined;
  }
}

function isDead({ host, pid }: Owner): boolean {
  if (host !== os.hostname()) {
    return false;
  }
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/**
 * Removes a lock. If several processes do so at the same time, only one of them moves the file away. A process that
 * moved away the lock of the next holder puts it back.
 */
function removeAbandoned(file: string, held: Held): void {
  const aside = `${file}.abandoned-${process.pid}`;
  try {
    fs.renameSync(file, aside);
    if (read(aside)?.text !== held.text) {
      fs.linkSync(aside, file);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "EEXIST") {
      throw error;
    }
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

function touch(file: string): void {
  const now = new Date();
  // A failure does no harm: the next attempt follows long before the lock counts as abandoned.
  fs.utimes(file, now, now, () => undefined);
}
