import * as fs from "node:fs";

/** Clock ticks in a second, in which Linux counts the start of a process: the same on every architecture. */
const ticksPerSecond = 100;

/**
 * Whether a process of this machine runs that already did at a given time. A later one has only got the number of one
 * that has ended, as after a reboot.
 *
 * @param time of this machine's clock, in milliseconds
 * @param proc where the kernel describes processes; without it, any process of the number counts
 */
export function ranAt(pid: number, time: number, proc = "/proc"): boolean {
  if (!isAlive(pid)) {
    return false;
  }
  const started = startOf(pid, proc);
  return started === undefined || started <= time;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process started, in whole seconds, rounded down as the kernel does; undefined where this cannot be read. */
function startOf(pid: number, proc: string): number | undefined {
  const read = (file: string): string => {
    try {
      return fs.readFileSync(`${proc}/${file}`, "utf8");
    } catch {
      return "";
    }
  };
  const [, booted] = /^btime (\d+)$/m.exec(read("stat")) ?? [];
  // The name of the program comes second, in parentheses, and may contain any characters.
  const ticks = /^.*\) (?:\S+ ){19}(\d+)/s.exec(read(`${pid}/stat`))?.[1];
  return booted === undefined || ticks === undefined
    ? undefined
    : (Number(booted) + Math.floor(Number(ticks) / ticksPerSecond)) * 1000;
}
