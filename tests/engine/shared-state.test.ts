import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { findProgram } from "../../commands/setup/docker";
import { removeFromEngine } from "../../commands/test/leftovers";
import { commandWith, prepareCommands, type Outcome } from "../support/commands";
import { Checkout, docker } from "../support/engine";
import { S3Server } from "../support/s3";

/**
 * A stack whose state begins in one checkout and moves to a bucket that two checkouts and a build server share. The order
 * matters: each test continues where the previous one ended. What no test here shows: Pulumi Cloud, and two machines.
 */
jest.setTimeout(900_000);

// Other checkouts of this machine may run the same test.
const name = `test-${randomBytes(4).toString("hex")}`;
const first = new Checkout();
const second = new Checkout();
const server = "applications/reference/archon_server/__init__.py";
const archive = path.join(first.directory, ".archon", "backup.tar.gz");
let bucket: S3Server;
let passphrase = "";
let ids: string[] = [];

/** The variables of a checkout that has only its embedded state, and of one that was told about the bucket. */
const embedded = (checkout: Checkout): NodeJS.ProcessEnv => ({
  PULUMI_BACKEND_URL: undefined,
  PULUMI_CONFIG_PASSPHRASE: undefined,
  PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  ARCHON_STATE: path.join(checkout.directory, ".archon", "states"),
});
const shared = (): NodeJS.ProcessEnv => ({ ...bucket.backend, PULUMI_CONFIG_PASSPHRASE: passphrase });
const inFirst = (command: string, ...args: string[]): Outcome =>
  commandWith(embedded(first), first, command, ...args, "--stack", name);
const inSecond = (command: string, ...args: string[]): Outcome =>
  commandWith(shared(), second, command, ...args, "--stack", name);
const up = ["pulumi", "up", "--yes", "--skip-preview"] as const;

interface Report {
  source: string;
  stacks?: string[];
  embedded: { directory: string };
}
const state = (variables: NodeJS.ProcessEnv, checkout: Checkout): Report =>
  JSON.parse(commandWith(variables, checkout, "state", "show", "--json").stdout) as Report;
const releases = ({ stdout }: Outcome): { id: string; running: boolean }[] =>
  JSON.parse(stdout) as { id: string; running: boolean }[];
const running = (outcome: Outcome): string | undefined => releases(outcome).find((each) => each.running)?.id;
const servers = (): string[] =>
  docker("ps", "--quiet", `--filter=label=io.archon.stack=${name}`, "--filter=label=io.archon.component=server")
    .split("\n")
    .filter((id) => id !== "");
/** Waits until no process of a group is left: Pulumi is a child of the one that was started, and may end later. */
async function groupEnded(group: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    try {
      process.kill(-group, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("A killed process is still there after 60 s.");
}
/** @returns what a command did that must succeed */
function succeeded(outcome: Outcome): Outcome {
  if (outcome.code !== 0) {
    throw new Error(outcome.output);
  }
  return outcome;
}

// The server is built from its Go module.
const suite = findProgram("go") === undefined ? describe.skip : describe;
suite("a state", () => {
  beforeAll(async () => {
    bucket = await S3Server.start();
    const values = await first.configure(name, { requireToken: true });
    await second.configure(name, values);
    prepareCommands(first);
    prepareCommands(second);
    succeeded(commandWith(embedded(first), first, "setup"));
    succeeded(commandWith(embedded(first), first, "pulumi", "stack", "init", name));
    succeeded(inFirst(...up));
    ids = releases(inFirst("releases", "--json")).map(({ id }) => id);
    passphrase = fs
      .readFileSync(path.join(state(embedded(first), first).embedded.directory, "passphrase"), "utf8")
      .trim();
  });
  afterAll(async () => {
    second.remove();
    first.remove();
    await bucket.stop();
  });

  test("of its own is outlived by nothing in the checkout, and comes back from a backup", () => {
    const { directory } = state(embedded(first), first).embedded;
    expect(inFirst("preview").stdout).toContain("No changes");
    succeeded(commandWith(embedded(first), first, "state", "backup", archive));
    fs.rmSync(directory, { recursive: true });
    expect(inFirst("releases")).toMatchObject({ code: 1, output: expect.stringContaining("no stack") as string });
    succeeded(commandWith(embedded(first), first, "state", "restore", archive, "--overwrite"));
    expect(succeeded(inFirst("preview")).stdout).toContain("No changes");
    expect(releases(inFirst("releases", "--json")).map(({ id }) => id)).toEqual(ids);
  });

  test("goes on on a new host: what is gone there is made again, and the claims too", () => {
    removeFromEngine(name);
    fs.rmSync(first.root, { recursive: true });
    // What Docker makes in the mount point of a missing disk when another stack collects its garbage.
    fs.mkdirSync(path.join(first.root, "refs"), { recursive: true });
    expect(inFirst(...up)).toMatchObject({ code: 1, output: expect.stringContaining("mount its disk") as string });
    fs.rmSync(first.root, { recursive: true });
    expect(succeeded(inFirst("recover")).output).toContain("nothing to remove");
    succeeded(inFirst(...up, "--refresh"));
    expect(servers()).toHaveLength(1);
    expect(fs.existsSync(path.join(first.root, "refs", `archon-${name}.owner`))).toBe(true);
    expect(docker("volume", "ls", "--quiet", `--filter=name=archon-${name}-claim`)).not.toBe("");
    expect(succeeded(inFirst("preview")).stdout).toContain("No changes");
  });

  test("moves to a bucket, with its secrets and without a change, and the checkout uses it from then on", () => {
    const token = inFirst("pulumi", "stack", "output", "apiToken", "--show-secrets").stdout;
    const moved = commandWith(embedded(first), first, "state", "move", bucket.backend.PULUMI_BACKEND_URL);
    succeeded(moved);
    expect(moved.output).toContain("export PULUMI_BACKEND_URL='s3://archon?");
    expect(state(embedded(first), first)).toMatchObject({ source: "archon state move" });
    expect(succeeded(inFirst("preview")).stdout).toContain("No changes");
    expect(inFirst("pulumi", "stack", "output", "apiToken", "--show-secrets").stdout).toBe(token);
    expect(commandWith(embedded(first), first, "state", "backup", archive).output).toContain(
      "was moved to s3://archon",
    );
    const again = commandWith(embedded(first), first, "state", "move", bucket.backend.PULUMI_BACKEND_URL);
    expect(again).toMatchObject({ code: 1, output: expect.stringContaining("was moved already") as string });
  });

  test("is deployed from one checkout and rolled back from the other", () => {
    expect(releases(inSecond("releases", "--json")).map(({ id }) => id)).toEqual(ids);
    second.edit(server, (text) => `${text}\n# second\n`);
    succeeded(inSecond(...up));
    const now = running(inFirst("releases", "--json"));
    expect(ids).not.toContain(now);
    expect(succeeded(inFirst("rollback", "previous", "--yes")).output).toContain(`now runs ${ids[0]}`);
    expect(running(inSecond("releases", "--json"))).toBe(ids[0]);
    const committed = parse(fs.readFileSync(path.join(first.directory, `Pulumi.${name}.yaml`), "utf8")) as object;
    expect(committed).not.toHaveProperty("encryptionsalt");
    succeeded(inFirst("rollback", "--forward", "--yes"));
  });

  test("is previewed by a build server, whose secrets are readable and whose files stay as they are", () => {
    const file = path.join(second.directory, `Pulumi.${name}.yaml`);
    const before = fs.readFileSync(file, "utf8");
    const { status, stdout, stderr } = spawnSync(path.join(".github", "preview.sh"), [name, "/nonexistent"], {
      cwd: second.directory,
      encoding: "utf8",
      env: { ...process.env, ...shared(), BACKEND: bucket.backend.PULUMI_BACKEND_URL },
    });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const { changeSummary } = JSON.parse(stdout) as { changeSummary: Record<string, number> };
    expect(changeSummary["same"]).toBeGreaterThan(5);
    expect(fs.readFileSync(file, "utf8")).toBe(before);
  });

  test("that a killed update left locked is recovered from the other checkout, and not while the update runs", async () => {
    second.edit(server, (text) => `${text}\n# third\n`);
    const before = servers();
    const update = spawn(process.execPath, ["commands/launch.cjs", ...up, "--stack", name], {
      cwd: second.directory,
      env: { ...process.env, ...shared() },
      detached: true,
      stdio: "ignore",
    });
    const ended = once(update, "exit");
    for (const deadline = Date.now() + 120_000; servers().length === before.length;) {
      expect(Date.now()).toBeLessThan(deadline);
      expect(update.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(inFirst("recover")).toMatchObject({
      code: 1,
      output: expect.stringContaining("is running: process") as string,
    });
    process.kill(-(update.pid ?? 0), "SIGKILL");
    await ended;
    await groupEnded(update.pid ?? 0);
    const { findings } = JSON.parse(inFirst("doctor", "--json").stdout) as { findings: object[] };
    expect(findings).toContainEqual({
      check: "lock",
      status: "problem",
      finding: expect.stringContaining("a killed update left its lock: process") as string,
      remedy: `./archon recover --stack ${name}`,
    });
    expect(succeeded(inFirst("recover")).output).toContain("Removed the lock");
    expect(succeeded(inFirst("recover")).output).toContain("nothing to remove");
    succeeded(inFirst(...up));
    expect(servers()).toHaveLength(1);
  });
});
