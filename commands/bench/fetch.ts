import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { z } from "zod";
import { IMAGES, type ImageDefinition } from "../../lib/images";
import { devStack } from "../../config/stack";
import { projectRoot } from "../../lib/paths";
import { engineEnvironment } from "../lib/docker";
import { ensureImage } from "../lib/images";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";
import type { Row } from "./result";

const image: ImageDefinition = { repository: "archon-bench", context: "commands/bench", dockerfile: "Dockerfile" };

/**
 * Compares the download of a model of 1.19 GB over loopback with curl and sha256sum, and measures what 50 kills cost.
 * Runs store/mlenv/tests/bench_fetch.py in the store tool's image with curl. Takes about four minutes and, for a while,
 * 4 GB of disk.
 *
 * @throws CommandError when a measurement misses its target
 */
export async function benchFetch(steps: Steps): Promise<Row[]> {
  const bootstrap = await steps.run(
    "Bootstrap image",
    (progress) => ensureImage(IMAGES.bootstrap, devStack, progress),
    (reference) => reference,
  );
  const bench = await steps.run(
    "Bench image",
    (progress) => ensureImage(image, devStack, progress, { parents: { BOOTSTRAP_IMAGE: bootstrap } }),
    (reference) => reference,
  );
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "archon-bench-fetch-"));
  try {
    const printed = await steps.run("Fetch", (progress) =>
      run(
        "docker",
        // No container job: it writes to a directory of the user as root, which a job without capabilities cannot.
        [
          "run",
          "--rm",
          "--init",
          "--label=io.archon.project=archon",
          "--label=io.archon.component=bench",
          `--volume=${path.join(projectRoot, "store")}:/src:ro`,
          `--volume=${work}:/scratch`,
          "--workdir=/src",
          bench,
          "--work=/scratch",
          "--json",
        ],
        {
          environment: engineEnvironment(devStack),
          log: "bench-fetch",
          onLine: (line) => {
            if (!line.startsWith("{")) {
              progress.message(line);
            }
          },
        },
      ),
    );
    return rowsOf(printed);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** What the benchmark prints as its last line. Sizes are in bytes. */
const figures = z.object({
  throughput: z.object({ ratio: z.number(), peak: z.number() }),
  resume: z.object({ kills: z.number(), again: z.number(), worst: z.number(), peak: z.number() }),
});

/** Reads what the benchmark printed. */
export function rowsOf(printed: string): Row[] {
  const last = printed.trim().split("\n").at(-1) ?? "";
  const { throughput, resume } = figures.parse(JSON.parse(last));
  const row = (what: string, unit: string, value: number): Row => ({ what, unit, values: { measured: value } });
  return [
    row("speed, curl and sha256sum are 1", "×", throughput.ratio),
    row("most memory held", "MB", Math.max(throughput.peak, resume.peak) / 1e6),
    row("kills", "", resume.kills),
    row("fetched again for a kill, mean", "MB", resume.again / resume.kills / 1e6),
    row("fetched again for a kill, at worst", "MB", resume.worst / 1e6),
  ];
}
