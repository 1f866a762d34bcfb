import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { referenceServer } from "../../applications/reference/application";
import { devStack, stackHost } from "../../config/stack";
import { containerJob, storeJobOptions, type JobOptions } from "../../lib/container-job";
import { projectRoot } from "../../lib/paths";
import { engineEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";

/** A temporary store, filled by the store tool as in an update. */
export class BenchStore {
  private readonly root = fs.mkdtempSync(path.join(os.tmpdir(), "archon-bench-store-"));
  /** Text of the lock file of the ML environment. */
  readonly lock = fs.readFileSync(path.join(projectRoot, `${referenceServer.requirements.environment}.txt`), "utf8");

  constructor(private readonly image: string) {}

  async create(): Promise<void> {
    await this.tool(["init"], "");
  }

  async populate(key: string, lock: string, progress: Progress): Promise<void> {
    const imports = referenceServer.requirements.imports.flatMap((module) => ["--import", module]);
    await this.tool(
      ["populate", "--key", key, "--lock", "-", "--python", referenceServer.python.abi, ...imports],
      lock,
      progress,
    );
  }

  /** Bytes on the disk; hard links count once. */
  async bytes(): Promise<number> {
    return Number((await run("du", ["--summarize", "--block-size=1", this.root])).split("\t")[0]);
  }

  async remove(): Promise<void> {
    // The files belong to root, and the user of this command need not be root.
    await this.container(["/store", "-mindepth", "1", "-delete"], { entrypoint: "find" }, "");
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  private tool(args: readonly string[], input: string, progress?: Progress): Promise<string> {
    const [subcommand = "", ...rest] = args;
    const { caBundle } = stackHost(devStack);
    return this.container([subcommand, "--store", "/store", ...rest], { network: true, caBundle }, input, progress);
  }

  private container(
    command: readonly string[],
    options: Pick<JobOptions, "network" | "caBundle" | "entrypoint">,
    input: string,
    progress?: Progress,
  ): Promise<string> {
    const job = storeJobOptions({ source: this.root }, { ...options, labels: { component: "bench" } });
    return run("docker", containerJob({ ...job, image: this.image, command }), {
      environment: engineEnvironment(devStack),
      input,
      log: "bench-store",
      ...(progress === undefined
        ? {}
        : {
            onLine: (line: string) => {
              progress.update(0, 0, line);
            },
          }),
    });
  }
}
