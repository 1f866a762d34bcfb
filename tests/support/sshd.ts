import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { findProgram } from "../../commands/setup/docker";
import { aptInstall } from "../../commands/setup/apt";
import { silent } from "../../commands/lib/progress";
import { freePort } from "./engine";

/**
 * A real sshd on loopback, with keys, a configuration and a port of its own, that lets the user of the tests in. On the
 * PATH of {@link environment} an `ssh` is first that knows the keys, so no file of the user's is read or written.
 */
export class Sshd {
  private constructor(
    private readonly directory: string,
    private readonly process: ReturnType<typeof spawn>,
    /** Of the engine behind it, such as `ssh://root@127.0.0.1:22022`. */
    readonly dockerHost: string,
  ) {}

  static async start(): Promise<Sshd> {
    if (findProgram("sshd") === undefined) {
      await aptInstall({ required: ["openssh-server"], whereKnown: [] }, "A test needs an sshd", silent);
    }
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-sshd-"));
    const file = (name: string): string => path.join(directory, name);
    for (const name of ["host", "user"]) {
      spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(name)]);
    }
    const port = await freePort();
    const hostKey = fs.readFileSync(file("host.pub"), "utf8");
    fs.writeFileSync(file("known_hosts"), `[127.0.0.1]:${port} ${hostKey}`);
    fs.writeFileSync(
      file("sshd_config"),
      [
        `ListenAddress 127.0.0.1:${port}`,
        `HostKey ${file("host")}`,
        `AuthorizedKeysFile ${file("user.pub")}`,
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
        // Everybody may write to the directory for temporary files.
        "StrictModes no",
        "PidFile none",
        // With another home, the start-up files of the user's shell do not run for every connection.
        `SetEnv PATH=${process.env["PATH"] ?? ""} HOME=${directory}`,
        "",
      ].join("\n"),
    );
    fs.mkdirSync(file("bin"));
    const ssh = findProgram("ssh") ?? "ssh";
    fs.writeFileSync(
      file("bin/ssh"),
      `#!/bin/sh\nexec ${ssh} -F none -i ${file("user")} -o UserKnownHostsFile=${file("known_hosts")} "$@"\n`,
      { mode: 0o755 },
    );
    // Where sshd runs as root, it insists on this directory.
    if (process.getuid?.() === 0) {
      fs.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    }
    const log = fs.openSync(file("log"), "w");
    const child = spawn(findProgram("sshd") ?? "sshd", ["-D", "-e", "-f", file("sshd_config")], {
      stdio: ["ignore", "ignore", log],
    });
    fs.closeSync(log);
    return new Sshd(directory, child, `ssh://${os.userInfo().username}@127.0.0.1:${port}`);
  }

  /** Variables with which a Docker client finds its way in. */
  get environment(): Record<string, string> {
    return { PATH: [path.join(this.directory, "bin"), process.env["PATH"] ?? ""].join(path.delimiter) };
  }

  /** What it has logged: a line for each connection, among others. */
  log(): string {
    return fs.readFileSync(path.join(this.directory, "log"), "utf8");
  }

  async stop(): Promise<void> {
    const exited = once(this.process, "exit");
    this.process.kill();
    await exited;
    fs.rmSync(this.directory, { recursive: true });
  }
}
