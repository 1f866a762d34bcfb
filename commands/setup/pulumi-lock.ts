import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { sleep } from "../lib/signals";
import type { Progress } from "../lib/progress";

/** The holder shows that it lives by touching its lock this often. */
const heartbeatMilliseconds = 5_000;

/** A lock that its holder has not touched for so long, as seen by another process, is abandoned. */
const abandonedMilliseconds = 30_000;
const pollMilliseconds = 300;

interface Owner {
  host: string;
  pid: number;
}

/**
 * Runs `work` with an exclusive lock on `file`; waits until it is free. The lock of a killed process is taken over: at
 * once if it ran on this host, after half a minute if that cannot be known (another container, another machine).
 */
export async function withLock<T>(file: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  const mine = JSON.stringify({ host: os.hostname(), pid: process.pid } satisfies Owner);
  await acquire(file, mine, progress);
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

async function acquire(file: string, mine: string, progress: Progress): Promise<void> {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  let watched: { state: Held; since: number } | undefined;
  while (!create(file, mine)) {
    const held = read(file);
    if (held === undefined) {
      continue;
    }
    const owner = JSON.parse(held.text) as Owner;
    if (isDead(owner)) {
      takeAway(file, held);
      continue;
    }
    if (watched === undefined) {
      progress.message(`Waiting for another set-up of the same tools (process ${owner.pid} on ${owner.host})`);
    }
    if (watched?.state.text !== held.text || watched.state.touched !== held.touched) {
      watched = { state: held, since: performance.now() };
    }
    if (performance.now() - watched.since > abandonedMilliseconds) {
      takeAway(file, held);
    } else {
      await sleep(pollMilliseconds);
    }
  }
}

/** Written aside and linked: nobody ever reads a lock without its owner. */
function create(file: string, text: string): boolean {
  const draft = `${file}.${process.pid}`;
  fs.writeFileSync(draft, text);
  try {
    fs.linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw error;
    }
    return false;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

interface Held {
  text: string;
  /** Modification time: compared with itself only, as clocks of two machines may differ. */
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
 * Of several that see the same dead owner one alone moves the file away; one that got hold of its successor's lock puts
 * it back.
 */
function takeAway(file: string, held: Held): void {
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
  // A beat that is lost does no harm: the next one follows long before the lock counts as abandoned.
  fs.utimes(file, now, now, () => undefined);
}
