import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { devStack, stackHost } from "../../config/stack";
import type { ImageDefinition } from "../../lib/images";
import { cacheDirectory, projectRoot } from "../../lib/paths";
import { dockerEnvironment } from "../lib/docker";
import { pulumiEnvironment } from "../lib/environment";
import { ensureImage } from "../lib/images";
import { silent } from "../lib/progress";
import { run } from "../lib/run";
import { sleep } from "../lib/signals";
import { succeeds } from "./jest";
import { parseJest, type Counts, type Print } from "./results";

/** Debian testing with its Docker engine. */
const engineImage: ImageDefinition = {
  repository: "archon-engine",
  context: "tests/engines",
  dockerfile: "Dockerfile",
};

/** Seconds that the engine may take until it answers. */
const startSeconds = 60;

/** PATH in the container, where Node.js is in the first directory. */
const searchPath = "/usr/local/bin:/usr/sbin:/usr/bin";

/** Where jest writes its results, inside the container. */
const results = "/tmp/results.json";

/**
 * A Docker engine inside a container of this machine's engine, with a root file system, a network and processes of its
 * own: a second one beside the first would rewrite the first one's firewall rules. Everything that it makes goes with
 * the container.
 */
export class NewerEngine {
  private constructor(
    private readonly container: string,
    private readonly environment: NodeJS.ProcessEnv,
    readonly version: string,
  ) {}

  /**
   * Starts one that has the base image.
   * @param daemon what its `daemon.json` says
   * @throws UserError when it does not start
   */
  static async start(daemon: object, print: Print): Promise<NewerEngine> {
    const image = await ensureImage(engineImage, devStack, { ...silent, message: print });
    const { baseImage, caBundle, dockerHost } = stackHost(devStack);
    const environment = dockerEnvironment(dockerHost);
    const docker = (...args: string[]): Promise<string> => run("docker", args, { environment });
    const container = (
      await docker(
        "run",
        "--detach",
        ...containerOptions(await gitDirectory(), caBundle),
        image,
        JSON.stringify(daemon),
      )
    ).trim();
    const engine = (version: string): NewerEngine => new NewerEngine(container, environment, version);
    try {
      const version = await answer(() =>
        docker("exec", container, "docker", "version", "--format", "{{.Server.Version}}"),
      );
      const load = 'set -o pipefail; docker save "$1" | docker exec --interactive "$2" docker load --quiet';
      await run("bash", ["-c", load, "bash", baseImage, container], { environment });
      return engine(version.trim());
    } catch (error) {
      (await docker("logs", "--tail=15", container)).split("\n").forEach(print);
      await engine("").remove();
      throw error;
    }
  }

  /** Runs a file of the engine tests against it, and counts its tests. */
  async test(file: string, print: Print): Promise<Counts> {
    const settings = Object.entries(pulumiEnvironment({ PATH: searchPath, HOME: os.homedir() }));
    const jest = [
      "node_modules/.bin/jest",
      "--selectProjects=engine",
      "--runInBand",
      "--cacheDirectory=/tmp/jest",
      "--json",
      `--outputFile=${results}`,
      file,
    ];
    await succeeds(
      "docker",
      ["exec", ...settings.map(([name, value]) => `--env=${name}=${value ?? ""}`), this.container, ...jest],
      { environment: this.environment, log: "test-engines", onLine: print },
      print,
    );
    try {
      return parseJest(
        await run("docker", ["exec", this.container, "cat", results], { environment: this.environment }),
      );
    } catch {
      return { passed: 0, failed: 1, skipped: 0 };
    }
  }

  async remove(): Promise<void> {
    await run("docker", ["rm", "--force", "--volumes", this.container], { environment: this.environment });
  }
}

/**
 * Options of `docker run`. The engine starts containers, so it needs nearly everything that `--privileged` gives, but
 * not SYS_RESOURCE, which a container does not always have to give.
 */
function containerOptions(git: string, caBundle: string | undefined): string[] {
  const readOnly = [projectRoot, git, ...(caBundle === undefined ? [] : [caBundle])];
  return [
    "--rm",
    "--init",
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm",
    "--label=io.archon.project=archon",
    "--label=io.archon.component=tests",
    // The paths of this machine, because the set-up has written them down.
    ...[...new Set(readOnly)].map((each) => `--volume=${each}:${each}:ro`),
    `--volume=${cacheDirectory()}:${cacheDirectory()}`,
    // The packages of the checkout are installed for this Node.js.
    `--volume=${fs.realpathSync(process.execPath)}:/usr/local/bin/node:ro`,
    `--env=ARCHON_CACHE=${cacheDirectory()}`,
    `--workdir=${projectRoot}`,
  ];
}

/** The repository's own directory: outside the checkout when it is a worktree. */
async function gitDirectory(): Promise<string> {
  return path.resolve(projectRoot, (await run("git", ["rev-parse", "--git-common-dir"])).trim());
}

/** Asks until there is an answer. @throws the last error when the time has run out */
async function answer(ask: () => Promise<string>): Promise<string> {
  const deadline = Date.now() + startSeconds * 1000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      await sleep(500);
    }
  }
}
