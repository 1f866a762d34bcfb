import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { referenceServer } from "../../applications/reference/application";
import { readMachine } from "../../config/machine";
import { projectRoot } from "../../lib/paths";
import { dockerEnvironment } from "../lib/docker";
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
    await this.container(["--entrypoint=find"], ["/store", "-mindepth", "1", "-delete"], "");
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  private tool(args: readonly string[], input: string, progress?: Progress): Promise<string> {
    const [subcommand = "", ...rest] = args;
    return this.container([], [subcommand, "--store", "/store", ...rest], input, progress);
  }

  private container(
    options: readonly string[],
    args: readonly string[],
    input: string,
    progress?: Progress,
  ): Promise<string> {
    const { caBundle, dockerHost } = readMachine();
    const trust =
      caBundle === undefined
        ? []
        : [`--volume=${caBundle}:/run/ca-bundle.pem:ro`, "--env=SSL_CERT_FILE=/run/ca-bundle.pem"];
    return run(
      "docker",
      [
        "run",
        "--rm",
        "--interactive",
        "--label=io.archon.component=bench",
        `--volume=${this.root}:/store`,
        ...trust,
        ...options,
        this.image,
        ...args,
      ],
      {
        environment: dockerEnvironment(dockerHost),
        input,
        log: "bench-store",
        ...(progress === undefined
          ? {}
          : {
              onLine: (line: string) => {
                progress.update(0, 0, line);
              },
            }),
      },
    );
  }
}
