import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { goEnvironment } from "../../commands/setup/pulumi-compile";

/** A real S3-compatible server on loopback with one bucket, in a process of its own. */
export class S3Server {
  private constructor(
    private readonly directory: string,
    private readonly process: ChildProcess,
    /** What Pulumi needs to keep its state in the bucket. */
    readonly backend: { PULUMI_BACKEND_URL: string; AWS_ACCESS_KEY_ID: string; AWS_SECRET_ACCESS_KEY: string },
  ) {}

  static async start(): Promise<S3Server> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-s3-"));
    const program = path.join(directory, "s3");
    execFileSync("go", ["build", "-o", program, "."], { cwd: path.join(__dirname, "s3"), env: goEnvironment() });
    const server = spawn(program, ["--bucket=archon"], { stdio: ["ignore", "pipe", "inherit"] });
    const [address] = (await once(server.stdout, "data")) as [Buffer];
    const parameters = new URLSearchParams({
      endpoint: address.toString().trim(),
      disableSSL: "true",
      s3ForcePathStyle: "true",
      region: "us-east-1",
    });
    return new S3Server(directory, server, {
      PULUMI_BACKEND_URL: `s3://archon?${parameters.toString()}`,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    });
  }

  async stop(): Promise<void> {
    const ended = once(this.process, "exit");
    this.process.kill();
    await ended;
    fs.rmSync(this.directory, { recursive: true });
  }
}
