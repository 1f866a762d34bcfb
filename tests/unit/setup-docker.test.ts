import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { aptInstall, hasApt } from "../../commands/setup/apt";
import { ensureDocker, findEngine, requireEngine } from "../../commands/setup/docker";
import { removeCrashedPidFile } from "../../commands/setup/dockerd";
import { silent } from "../../commands/lib/progress";

jest.mock("../../commands/setup/apt", () => ({
  aptInstall: jest.fn(async () => undefined),
  hasApt: jest.fn(() => true),
  readOsRelease: () => ({ prettyName: "Fedora Linux 43" }),
}));

// A script stands in for the docker client. Installing and starting a real engine is not proven here.

const saved = { ...process.env };
let scratch: string;

beforeEach(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), "docker-"));
  process.env.PATH = `${scratch}:/usr/bin:/bin`;
  delete process.env.DOCKER_HOST;
  delete process.env.XDG_RUNTIME_DIR;
});

afterEach(() => {
  jest.restoreAllMocks();
  jest.mocked(hasApt).mockReturnValue(true);
  process.env = { ...saved };
  fs.rmSync(scratch, { recursive: true });
});

/** A client that knows engines by their address; every other address gets `refusal`. */
function writeClient(
  engines: Record<string, string>,
  { context = "unix:///var/run/docker.sock", refusal = "Cannot connect to the Docker daemon" } = {},
): void {
  const answers = Object.entries(engines).map(
    ([host, version]) => `"--host ${host} version"*) echo ${version}; exit 0 ;;`,
  );
  fs.writeFileSync(
    path.join(scratch, "docker"),
    `#!/bin/sh\ncase "$*" in\n"context inspect"*) echo '${context}'; exit 0 ;;\n${answers.join("\n")}\nesac\necho '${refusal}' >&2\nexit 1\n`,
    { mode: 0o755 },
  );
}

function asUser(id: number): void {
  if (process.getuid === undefined) {
    throw new Error("these tests need a POSIX system");
  }
  jest.spyOn(process as { getuid: () => number }, "getuid").mockReturnValue(id);
}

describe("the engine", () => {
  test("at the default socket needs no fact about the machine", async () => {
    writeClient({ "unix:///var/run/docker.sock": "20.10.24+dfsg1" });
    expect(await ensureDocker(undefined, silent)).toEqual({ version: "20.10.24+dfsg1", host: undefined });
  });

  test("is found through the client's context, the record and the rootless socket, in this order of trust", async () => {
    process.env.XDG_RUNTIME_DIR = "/run/user/7";
    writeClient({ "unix:///run/user/7/docker.sock": "27.0.0" });
    expect(await findEngine(undefined)).toEqual({
      engine: { version: "27.0.0", host: "unix:///run/user/7/docker.sock" },
    });
    writeClient(
      { "unix:///desktop.sock": "28.0.0", "unix:///run/user/7/docker.sock": "27.0.0" },
      { context: "unix:///desktop.sock" },
    );
    expect((await findEngine(undefined)).engine?.host).toBe("unix:///desktop.sock");
    writeClient(
      { "tcp://recorded:2375": "26.0.0", "unix:///desktop.sock": "28.0.0" },
      { context: "unix:///desktop.sock" },
    );
    expect((await findEngine("tcp://recorded:2375")).engine?.host).toBe("tcp://recorded:2375");
  });

  test("that DOCKER_HOST names is the only one asked", async () => {
    process.env.DOCKER_HOST = "tcp://named:2375";
    writeClient({ "unix:///var/run/docker.sock": "27.0.0" }, { refusal: "dial tcp: no such host" });
    await expect(ensureDocker(undefined, silent)).rejects.toThrow(
      'DOCKER_HOST is set to "tcp://named:2375", but no Docker engine answers there:\n  dial tcp: no such host\n' +
        "Start that engine, or unset DOCKER_HOST to use the one on this machine.",
    );
  });

  test("that a stack names is the only one asked, whatever DOCKER_HOST says", async () => {
    process.env.DOCKER_HOST = "unix:///var/run/docker.sock";
    writeClient(
      { "ssh://me@prod": "28.0.0", "unix:///var/run/docker.sock": "27.0.0" },
      { refusal: "ssh: Could not resolve hostname prd" },
    );
    expect(await requireEngine("prod", "ssh://me@prod")).toEqual({ version: "28.0.0", host: "ssh://me@prod" });
    await expect(requireEngine("prod", "ssh://me@prd")).rejects.toThrow(
      'archon:dockerHost of the stack prod is "ssh://me@prd", but no Docker engine answers there:\n' +
        "  ssh: Could not resolve hostname prd\n" +
        "Start that engine, or correct the address with `./archon pulumi config set archon:dockerHost ADDRESS --stack prod`.",
    );
  });

  test("must be new enough", async () => {
    writeClient({ "unix:///var/run/docker.sock": "19.03.15" });
    await expect(ensureDocker(undefined, silent)).rejects.toThrow(
      "The Docker engine at unix:///var/run/docker.sock is version 19.03.15; at least 20.10.0 is needed (images are built with BuildKit). " +
        "Upgrade it, or point DOCKER_HOST to a newer one.",
    );
  });

  test("that this user may not use is reported with the remedy", async () => {
    writeClient({}, { refusal: "permission denied while trying to connect to the Docker daemon socket" });
    await expect(ensureDocker(undefined, silent)).rejects.toThrow(
      /this user may not use it:\n {2}permission denied .*\nAllow it with `sudo usermod -aG docker \$USER`/,
    );
  });

  test("that is stopped is started by root only", async () => {
    asUser(1000);
    writeClient({});
    fs.writeFileSync(path.join(scratch, "dockerd"), "#!/bin/sh\n", { mode: 0o755 });
    await expect(ensureDocker(undefined, silent)).rejects.toThrow(
      /^Docker is installed, but its engine does not answer:\n {2}Cannot connect to the Docker daemon\nStart it with `sudo (systemctl start docker|dockerd)`, then run this command again\.$/,
    );
  });
});

describe("the PID file of an engine", () => {
  const pidFileOf = (pid: number | string): string => {
    const file = path.join(scratch, "docker.pid");
    fs.writeFileSync(file, String(pid));
    removeCrashedPidFile(file);
    return file;
  };

  test("is removed when its process has ended and its parent has not waited for it", async () => {
    // A parent that never waits for its child.
    // The child ends only once its parent is `sleep`, which waits for no children; a shell might.
    const script = '( until [ "$(cat /proc/$$/comm)" = sleep ]; do :; done ) & echo $!; exec sleep 60';
    const parent = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
    const [pid] = (await once(parent.stdout, "data")) as [Buffer];
    const state = (): string => fs.readFileSync(`/proc/${String(pid).trim()}/stat`, "utf8");
    while (!state().includes(" Z ")) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(fs.existsSync(pidFileOf(String(pid)))).toBe(false);
    parent.kill();
    await once(parent, "exit");
  });

  test.each([
    ["runs", process.pid],
    ["has ended", 999_999_999],
    ["has no number", "nobody"],
  ])("stays when its process %s", (_, pid) => {
    expect(fs.existsSync(pidFileOf(pid))).toBe(true);
  });

  test("need not be there", () => {
    expect(() => removeCrashedPidFile(path.join(scratch, "none.pid"))).not.toThrow();
  });
});

describe("an engine that is not installed", () => {
  beforeEach(() => {
    process.env.PATH = scratch;
  });

  test("is installed by root only", async () => {
    asUser(1000);
    await expect(ensureDocker(undefined, silent)).rejects.toThrow(
      "No Docker engine answers (there is no program `docker` on PATH), and only root may install one.\n" +
        "Run `sudo apt-get install docker.io && sudo usermod -aG docker $USER`, log in again, and run this command again.",
    );
    expect(aptInstall).not.toHaveBeenCalled();
  });

  test("is installed on Debian and Ubuntu only", async () => {
    asUser(0);
    jest.mocked(hasApt).mockReturnValue(false);
    await expect(ensureDocker(undefined, silent)).rejects.toThrow(
      "this set-up can install one on Debian and Ubuntu only; this is Fedora Linux 43.\n" +
        "Install Docker Engine 20.10 or newer, start it, and run this command again.",
    );
    expect(aptInstall).not.toHaveBeenCalled();
  });
});
