import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { contentArguments } from "../../lib/images";
import { devStack, stackHost } from "../../config/stack";
import { projectRoot } from "../../lib/paths";
import { dockerEnvironment, engineEnvironment, imageSize } from "../lib/docker";
import { buildCommand, searchPath } from "../lib/images";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";

const reference = "archon-bench:baked";
const application = path.join(projectRoot, "applications", "reference");

/**
 * The approach that this project replaces: pip installs every package, ML or not, in the image. Lock files, index and
 * base image are the same. There is no cache mount, as in the original: changed requirements reinstall the whole layer.
 */
const recipe = `ARG BASE_IMAGE
FROM \${BASE_IMAGE}
COPY requirements.server.minimal.txt requirements.server.ml.txt /tmp/
RUN --mount=type=secret,id=ca-bundle \\
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \\
    python3 -m venv /opt/server \\
 && /opt/server/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.server.minimal.txt \\
 && /opt/server/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.server.ml.txt
COPY archon_server /opt/archon/archon_server
`;

/** The server image with its packages baked in, and the build context that it is made from. */
export class BakedImage {
  private readonly context = fs.mkdtempSync(path.join(os.tmpdir(), "archon-bench-"));

  constructor() {
    for (const file of ["requirements.server.minimal.txt", "requirements.server.ml.txt"]) {
      fs.copyFileSync(path.join(application, file), path.join(this.context, file));
    }
    fs.cpSync(path.join(application, "archon_server"), path.join(this.context, "archon_server"), { recursive: true });
    fs.writeFileSync(path.join(this.context, "Dockerfile"), recipe);
  }

  changeLock(change: (lock: string) => string): void {
    const file = path.join(this.context, "requirements.server.ml.txt");
    fs.writeFileSync(file, change(fs.readFileSync(file, "utf8")));
  }

  async build(progress: Progress): Promise<void> {
    const { baseImage, caBundle, dockerHost } = stackHost(devStack);
    // A new image takes over the name of the old one, which would stay without a name, with 7 GB.
    await this.removeImage();
    const [client, ...build] = await buildCommand(searchPath());
    const args = Object.entries(contentArguments(baseImage)).map(([name, value]) => `--build-arg=${name}=${value}`);
    const secret = caBundle === undefined ? [] : [`--secret=id=ca-bundle,src=${caBundle}`];
    // Layers of an earlier run must not be reused.
    await run(
      client,
      [...build, "--no-cache", "--progress=plain", `--tag=${reference}`, ...args, ...secret, this.context],
      {
        environment: { ...dockerEnvironment(dockerHost), DOCKER_BUILDKIT: "1" },
        log: "bench-baked",
        onLine: (line) => {
          progress.update(0, 0, line);
        },
      },
    );
  }

  async bytes(): Promise<number> {
    return (await imageSize(reference, stackHost(devStack).dockerHost)) ?? 0;
  }

  async remove(): Promise<void> {
    fs.rmSync(this.context, { recursive: true, force: true });
    await this.removeImage();
  }

  private async removeImage(): Promise<void> {
    await run("docker", ["image", "rm", "--force", reference], {
      environment: engineEnvironment(devStack),
    });
  }
}
