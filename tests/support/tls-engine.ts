import { execFileSync, fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/**
 * The engine of this machine on a TCP port of loopback with TLS, as `dockerd --tlsverify` offers it: the server shows a
 * certificate, and a client without one of the same authority is turned away.
 */
export class TlsEngine {
  /** The names in the certificates of the clients that got in. */
  readonly clients: string[] = [];

  private constructor(
    private readonly directory: string,
    private readonly process: ChildProcess,
    /** Its address, such as `tcp://127.0.0.1:40123`. */
    readonly dockerHost: string,
  ) {}

  static async start(): Promise<TlsEngine> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-tls-"));
    makeCertificates(directory);
    const child = fork(path.join(__dirname, "tls-proxy.mjs"), [directory, "/var/run/docker.sock"]);
    const [{ port }] = (await once(child, "message")) as [{ port: number }];
    const engine = new TlsEngine(directory, child, `tcp://127.0.0.1:${port}`);
    child.on("message", ({ client }: { client: string }) => engine.clients.push(client));
    return engine;
  }

  /** Variables with which a Docker client gets in. */
  get environment(): Record<string, string> {
    return { DOCKER_HOST: this.dockerHost, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: this.directory };
  }

  async stop(): Promise<void> {
    const exited = once(this.process, "exit");
    this.process.kill();
    await exited;
    fs.rmSync(this.directory, { recursive: true });
  }
}

/** An authority, and a server and a client that it vouches for, under the names that a Docker client looks for. */
function makeCertificates(directory: string): void {
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
  };
  const newKey = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  openssl(...newKey, "-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca.pem");
  const signed = ["-CA", "ca.pem", "-CAkey", "ca-key.pem"];
  const forServer = ["-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1"];
  openssl(...newKey, ...signed, ...forServer, "-keyout", "server-key.pem", "-out", "server.pem");
  openssl(...newKey, ...signed, "-subj", "/CN=deployer", "-keyout", "key.pem", "-out", "cert.pem");
}
