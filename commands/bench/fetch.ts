import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { IMAGES, type ImageDefinition } from "../../lib/images";
import { devStack } from "../../config/stack";
import { projectRoot } from "../../lib/paths";
import { engineEnvironment } from "../lib/docker";
import { ensureImage } from "../lib/images";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";

const image: ImageDefinition = { repository: "archon-bench", context: "commands/bench", dockerfile: "Dockerfile" };

/**
 * Compares the download of a model of 1.19 GB over loopback with curl and sha256sum, and measures what 50 kills cost.
 * Runs store/mlenv/tests/bench_fetch.py in the store tool's image with curl. Takes about four minutes and, for a while,
 * 4 GB of disk.
 *
 * @throws CommandError when a measurement misses its target
 */
export async function benchFetch(steps: Steps): Promise<void> {
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
    await steps.run("Fetch", (progress) =>
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
        ],
        {
          environment: engineEnvironment(devStack),
          log: "bench-fetch",
          onLine: (line) => {
            progress.message(line);
          },
        },
      ),
    );
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}
