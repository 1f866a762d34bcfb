import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { engineEnvironment } from "../../commands/lib/docker";
import { devStack } from "../../config/stack";
import { projectRoot } from "../../lib/paths";
import { docker } from "./engine";

/**
 * A registry on loopback, which keeps images in memory, behind a proxy that asks for a login. An engine of this machine
 * talks to it without TLS.
 */
export class Registry {
  private constructor(
    private readonly directory: string,
    private readonly server: ChildProcess,
    private readonly proxy: http.Server,
    /** `127.0.0.1:<port>` */
    readonly host: string,
  ) {}

  static async start(): Promise<Registry> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-registry-"));
    const program = path.join(directory, "registry");
    execFileSync("go", ["build", "-o", program, "github.com/google/go-containerregistry/cmd/registry"], {
      cwd: path.join(projectRoot, "toolchain", "registry"),
    });
    const server = spawn(program, ["-port=0"], { stdio: ["ignore", "ignore", "pipe"] });
    const port = await portOf(server);
    const login = `Basic ${Buffer.from("ada:lovelace").toString("base64")}`;
    const proxy = http.createServer((request, response) => {
      if (request.headers.authorization !== login) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="registry"' }).end();
        return;
      }
      const { url, method, headers } = request;
      const onward = http.request({ host: "127.0.0.1", port, path: url, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const auths = { [host]: { auth: login.replace("Basic ", "") } };
    fs.writeFileSync(path.join(directory, "config.json"), JSON.stringify({ auths }));
    return new Registry(directory, server, proxy, host);
  }

  /** Environment variables with which a Docker client, or the provider, is logged in. */
  get variables(): { DOCKER_CONFIG: string } {
    return { DOCKER_CONFIG: this.directory };
  }

  /**
   * Pushes an image that differs from another one in a label, and removes it from the engine.
   * @returns its reference, by digest
   */
  async push(base: string, label: string): Promise<string> {
    const tag = `${this.host}/team/server:${label}`;
    await this.client(["build", "--quiet", `--label=test=${label}`, `--tag=${tag}`, "-"], `FROM ${base}\n`);
    const [, digest = ""] = /digest: (sha256:[0-9a-f]{64})/.exec(await this.client(["push", tag])) ?? [];
    await this.client(["image", "rm", tag]);
    return `${this.host}/team/server@${digest}`;
  }

  async pull(reference: string): Promise<void> {
    await this.client(["pull", reference]);
  }

  /** Runs a Docker client that is logged in. The proxy must answer meanwhile. */
  private async client(args: readonly string[], input = ""): Promise<string> {
    const env = { ...engineEnvironment(devStack), ...this.variables };
    const running = promisify(execFile)("docker", args, { env });
    running.child.stdin?.end(input);
    return (await running).stdout;
  }

  /** Ends it, and removes what was pulled from it. Its containers must be gone. */
  async stop(): Promise<void> {
    this.proxy.close();
    this.proxy.closeAllConnections();
    this.server.kill();
    await once(this.server, "exit");
    const repository = `${this.host}/team/server`;
    const ids = docker("image", "ls", "--quiet", repository).split("\n");
    // An image with two references is listed twice.
    for (const id of new Set(ids.filter((line) => line !== ""))) {
      docker("image", "rm", "--force", id);
    }
    fs.rmSync(this.directory, { recursive: true });
  }
}

/** The program says where it listens on its first line. */
async function portOf({ stderr }: ChildProcess): Promise<string> {
  if (stderr !== null) {
    for await (const line of createInterface(stderr)) {
      const [, port] = /serving on port (\d+)/.exec(line) ?? [];
      if (port !== undefined) {
        // It writes a line for each request, and would wait for somebody to read it.
        stderr.resume();
        return port;
      }
    }
  }
  throw new Error("The registry ended before it served.");
}
