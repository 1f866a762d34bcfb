import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

jest.mock("../../lib/paths", () => {
  const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "state-")));
  const projectRoot = path.join(scratch, "checkout");
  return {
    ...jest.requireActual<object>("../../lib/paths"),
    projectRoot,
    archonPath: (...segments: string[]) => path.join(projectRoot, ".archon", ...segments),
    stateHome: () => path.join(scratch, "states"),
  };
});

import { findBackend } from "../../commands/lib/backend";
import {
  allStates,
  embeddedState,
  ensureState,
  readRecord,
  stacksIn,
  writeRecord,
} from "../../commands/lib/embedded-state";
import { silent, Steps } from "../../commands/lib/progress";
import { settleState, withStateLock } from "../../commands/lib/settle-state";
import { sleep } from "../../commands/lib/signals";
import { rememberedSalt, rememberSalt } from "../../commands/lib/stack-file";
import { preferOwnState } from "../../commands/start/own-state";
import { backUp } from "../../commands/state/backup";
import { isSame, parseExport, requireSettled } from "../../commands/state/exported";
import { describeMove, moveState } from "../../commands/state/move";
import { restore } from "../../commands/state/restore";
import { describeState, stateReport } from "../../commands/state/show";
import * as paths from "../../lib/paths";

// The files of a Pulumi file backend stand in for stacks. What Pulumi makes of them, the engine tests show.

const checkout = paths.projectRoot;
const home = path.dirname(checkout);
const state = embeddedState();
const archive = path.join(home, "backup", "state.tar.gz");
const former = { backend: paths.archonPath("state"), passphraseFile: paths.archonPath("passphrase") };
const takenOver = paths.archonPath("state.taken-over");

/** A stack as Pulumi writes it, whose content is `text`. */
function writeStack(backend: string, name: string, text: string): void {
  const directory = path.join(backend, ".pulumi", "stacks", "archon");
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, `${name}.json`), text);
  fs.writeFileSync(path.join(directory, `${name}.json.attrs`), "{}");
}
const stackText = (name: string, backend = state.backend): string =>
  fs.readFileSync(path.join(backend, ".pulumi", "stacks", "archon", `${name}.json`), "utf8");
const passphrase = (): string => fs.readFileSync(state.passphraseFile, "utf8");

function lock(backend: string, stack: string, pid: number, hostname = os.hostname()): void {
  const directory = path.join(backend, ".pulumi", "locks", "organization", "archon", stack);
  fs.mkdirSync(directory, { recursive: true });
  const holder = { pid, username: "ada", hostname, timestamp: new Date().toISOString() };
  fs.writeFileSync(path.join(directory, "x.json"), JSON.stringify(holder));
}

/** The process id of one that has ended. */
function deadProcess(): number {
  return Number(execFileSync("/bin/sh", ["-c", "echo $$"], { encoding: "utf8" }));
}

beforeEach(() => {
  // The shell of a developer may have the environment of `./archon env`.
  for (const name of ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"]) {
    Reflect.deleteProperty(process.env, name);
  }
  fs.rmSync(home, { recursive: true, force: true });
  fs.mkdirSync(paths.archonPath(), { recursive: true });
  fs.writeFileSync(path.join(checkout, "Pulumi.yaml"), "name: archon\n");
});
afterAll(() => fs.rmSync(home, { recursive: true }));

describe("the state of an earlier version, inside the checkout", () => {
  beforeEach(() => {
    writeStack(former.backend, "prod", "before");
    fs.writeFileSync(former.passphraseFile, "secret\n", { mode: 0o600 });
  });
  const expectTakenOver = (): void => {
    expect([stackText("prod"), passphrase()]).toEqual(["before", "secret\n"]);
    expect(fs.statSync(state.directory).mode & 0o777).toBe(0o700);
    expect(readRecord(state)).toEqual({ checkout });
    expect(fs.readdirSync(paths.archonPath())).toEqual(["state-directory"]);
    expect(fs.readdirSync(path.dirname(state.directory))).toEqual([path.basename(state.directory)]);
  };

  test("is taken over once", async () => {
    await settleState(silent);
    expectTakenOver();
    await settleState(silent);
    expectTakenOver();
  });

  test.each<[string, () => void]>([
    ["after it was set aside", () => fs.renameSync(former.backend, takenOver)],
    [
      "while it was copied",
      () => {
        fs.renameSync(former.backend, takenOver);
        writeStack(path.join(`${state.directory}.partial`, "backend"), "half", "hal");
      },
    ],
    [
      "when the copy was complete",
      () => {
        fs.renameSync(former.backend, takenOver);
        fs.mkdirSync(state.directory, { recursive: true, mode: 0o700 });
        fs.cpSync(takenOver, state.backend, { recursive: true });
        fs.copyFileSync(former.passphraseFile, state.passphraseFile);
      },
    ],
    [
      "while the old one was removed",
      () => {
        fs.mkdirSync(state.directory, { recursive: true, mode: 0o700 });
        fs.renameSync(former.backend, state.backend);
        fs.renameSync(former.passphraseFile, state.passphraseFile);
        fs.mkdirSync(takenOver);
      },
    ],
  ])("is taken over completely by the next command after a kill %s", async (_, kill) => {
    kill();
    await settleState(silent);
    expectTakenOver();
  });

  test("is left alone while an update runs on it, and a lock that was left does not matter", async () => {
    lock(former.backend, "prod", process.pid);
    await expect(settleState(silent)).rejects.toThrow('An update of the stack "prod" is running');
    expect(stackText("prod", former.backend)).toBe("before");
    expect(fs.existsSync(state.directory)).toBe(false);
    lock(former.backend, "prod", 1, "another-host");
    // No command works before that is gone, so the message names none.
    await expect(settleState(silent)).rejects.toThrow(
      "If that process no longer exists on another-host: remove its lock, the directory " +
        path.join(former.backend, ".pulumi", "locks", "organization", "archon", "prod"),
    );
    lock(former.backend, "prod", deadProcess());
    await settleState(silent);
    expectTakenOver();
  });

  test("that an earlier version has made since then is not taken for the state, and is not touched", async () => {
    await settleState(silent);
    writeStack(former.backend, "prod", "later");
    await settleState(silent);
    expect([stackText("prod"), stackText("prod", former.backend)]).toEqual(["before", "later"]);
  });
});

describe("a checkout that was moved", () => {
  const elsewhere = path.join(home, "elsewhere");
  const other = embeddedState(process.env, elsewhere);
  beforeEach(async () => {
    // As if this checkout had been at another path.
    ensureState(other, elsewhere);
    writeStack(other.backend, "dev", "moved");
    fs.writeFileSync(paths.archonPath("state-directory"), `${other.directory}\n`);
  });

  test("takes its state along", async () => {
    await settleState(silent);
    expect(stackText("dev")).toBe("moved");
    expect(readRecord(state)).toEqual({ checkout });
    expect(allStates().map(({ directory }) => directory)).toEqual([state.directory]);
  });

  test("gets one of its own if it was only copied", async () => {
    fs.mkdirSync(elsewhere);
    await settleState(silent);
    expect(fs.existsSync(state.directory)).toBe(false);
    expect(stackText("dev", other.backend)).toBe("moved");
  });
});

describe("a backup", () => {
  beforeEach(() => {
    ensureState(state);
    writeStack(state.backend, "dev", "first");
    writeStack(state.backend, "prod", "second");
  });

  test("holds the stacks and the passphrase, and only the user may read it", async () => {
    const before = passphrase();
    expect(await backUp(archive)).toEqual(["dev", "prod"]);
    expect(fs.statSync(archive).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(path.dirname(archive))).toEqual(["state.tar.gz"]);
    fs.rmSync(state.directory, { recursive: true });
    rememberSalt("dev", `file://${state.backend}`, "v1:other");
    expect(await restore(archive, false)).toEqual({ stacks: ["dev", "prod"], kept: undefined });
    expect([stackText("dev"), stackText("prod"), passphrase()]).toEqual(["first", "second", before]);
    expect(rememberedSalt("dev", `file://${state.backend}`)).toBeUndefined();
    expect(fs.readdirSync(path.dirname(state.directory))).toEqual([path.basename(state.directory)]);
  });

  test("leaves the one of before alone when it cannot be written", async () => {
    await backUp(archive);
    const before = fs.readFileSync(archive);
    lock(state.backend, "dev", process.pid);
    await expect(backUp(archive)).rejects.toThrow('An update of the stack "dev" is running');
    expect(fs.readFileSync(archive)).toEqual(before);
  });

  test("of a state that was killed in an update has no lock", async () => {
    lock(state.backend, "dev", deadProcess());
    await backUp(archive);
    await restore(archive, true);
    expect(fs.existsSync(path.join(state.backend, ".pulumi", "locks"))).toBe(false);
  });

  test("replaces a state only when told to, and keeps what it replaces", async () => {
    await backUp(archive);
    writeStack(state.backend, "dev", "later");
    await expect(restore(archive, false)).rejects.toThrow(`state restore ${archive} --overwrite`);
    expect(stackText("dev")).toBe("later");
    const { kept } = await restore(archive, true);
    expect(stackText("dev")).toBe("first");
    expect(stackText("dev", path.join(String(kept), "backend"))).toBe("later");
    expect(allStates()).toHaveLength(1);
  });

  test("that is damaged, or is something else, changes nothing", async () => {
    await backUp(archive);
    fs.truncateSync(archive, fs.statSync(archive).size - 20);
    await expect(restore(archive, true)).rejects.toThrow("is damaged, or no backup");
    execFileSync("tar", ["--create", "--gzip", `--file=${archive}`, `--directory=${checkout}`, "Pulumi.yaml"]);
    await expect(restore(archive, true)).rejects.toThrow("is no backup of a state");
    await expect(restore(`${archive}.no`, true)).rejects.toThrow("There is no file");
    expect(stackText("dev")).toBe("first");
  });

  test("that was to replace the state when the command was killed has replaced it after the next command", async () => {
    await backUp(archive);
    fs.renameSync(state.directory, `${state.directory}.restored`);
    rememberSalt("dev", `file://${state.backend}`, "v1:other");
    await settleState(silent);
    expect(stackText("dev")).toBe("first");
    expect(rememberedSalt("dev", `file://${state.backend}`)).toBeUndefined();
  });

  test("that was unpacked when the command was killed does not come back later", async () => {
    writeStack(path.join(`${state.directory}.restored`, "backend"), "dev", "unpacked");
    rememberSalt("dev", `file://${state.backend}`, "v1:salt");
    await settleState(silent);
    expect(stackText("dev")).toBe("first");
    expect(rememberedSalt("dev", `file://${state.backend}`)).toBe("v1:salt");
    expect(fs.readdirSync(path.dirname(state.directory))).toEqual([path.basename(state.directory)]);
  });

  test("waits while another command puts a state in its place", async () => {
    await backUp(archive);
    writeStack(state.backend, "dev", "later");
    let restored: Promise<unknown> = Promise.resolve();
    await withStateLock(state, silent, async () => {
      restored = restore(archive, true);
      await sleep(300);
      expect(stackText("dev")).toBe("later");
    });
    await restored;
    expect(stackText("dev")).toBe("first");
  });

  test("is refused where the stacks have moved, and a restored copy is warned of", async () => {
    await backUp(archive);
    writeRecord(state, { checkout, movedTo: "s3://team/archon?region=x" });
    await expect(backUp(archive)).rejects.toThrow("was moved to s3://team/archon, whose operator");
    await expect(restore(archive, false)).rejects.toThrow("would undo each other's updates");
    await restore(archive, true);
    expect(readRecord(state)).toEqual({ checkout });
  });

  test("is refused where there is nothing to back up", async () => {
    fs.rmSync(state.directory, { recursive: true });
    await expect(backUp(archive)).rejects.toThrow("no embedded state with stacks");
  });
});

test("the report says which state is used and why, and which others there are", () => {
  ensureState(state);
  writeStack(state.backend, "dev", "{}");
  const other = embeddedState(process.env, path.join(home, "other"));
  ensureState(other, path.join(home, "other"));
  writeStack(other.backend, "prod", "{}");
  const report = stateReport();
  expect(report).toMatchObject({ source: "embedded", stacks: ["dev"], embedded: { used: true } });
  expect(report.others).toEqual([
    { directory: other.directory, checkout: path.join(home, "other"), damaged: false, stacks: ["prod"] },
  ]);
  const text = describeState(report).join("\n");
  expect(text).toContain(`State:       file://${state.backend}`);
  expect(text).toContain(`${other.directory}  prod  of ${path.join(home, "other")}`);
  const moved = describeState({
    ...report,
    source: "PULUMI_BACKEND_URL",
    backend: "s3://team",
    embedded: { directory: state.directory, stacks: ["dev"], movedTo: undefined, used: false },
  });
  expect(moved.join("\n")).toContain("It holds dev. `./archon state move BACKEND` moves them.");
});

test("`npm start` keeps a newcomer's stack out of the account that the user is logged in to, and says so", () => {
  const before = { ...process.env };
  process.env.PULUMI_CREDENTIALS_PATH = home;
  fs.writeFileSync(path.join(home, "credentials.json"), '{"current":"https://api.pulumi.com"}');
  try {
    expect(findBackend()).toMatchObject({ source: "pulumi login" });
    const lines: string[] = [];
    preferOwnState((line) => lines.push(line));
    expect(findBackend()).toMatchObject({ source: "embedded" });
    expect(lines.join()).toContain("You are logged in to https://api.pulumi.com.");
    process.env.PULUMI_BACKEND_URL = "s3://team";
    preferOwnState((line) => lines.push(line));
    expect(lines).toHaveLength(1);
  } finally {
    process.env = before;
  }
});

test("a damaged record is refused: it would say whether the stacks have moved", () => {
  ensureState(state);
  fs.writeFileSync(path.join(state.directory, "checkout.json"), "{");
  expect(() => stateReport()).toThrow(`is damaged. Move ${state.directory} away, then \`./archon state restore FILE\``);
});

test("a damaged record of another checkout is reported", () => {
  ensureState(state);
  const other = embeddedState(process.env, path.join(home, "other"));
  writeStack(other.backend, "prod", "{}");
  fs.writeFileSync(path.join(other.directory, "checkout.json"), "{");
  const report = stateReport();
  expect(report.others).toEqual([{ directory: other.directory, checkout: undefined, damaged: true, stacks: ["prod"] }]);
  expect(describeState(report).join("\n")).toContain(
    `${other.directory}  prod  of an unknown checkout (its checkout.json cannot be read)`,
  );
});

test("the report says how to move stacks to the user's login only where there are some to move", () => {
  ensureState(state);
  const text = (): string => describeState({ ...stateReport(), ignoredLogin: "s3://team" }).join("\n");
  expect(text()).toContain("You are logged in to s3://team.");
  expect(text()).not.toContain("To move the stacks there");
  writeStack(state.backend, "dev", "{}");
  expect(text()).toContain("To move the stacks there: ./archon state move BACKEND, with the address of your login.");
});

describe("moving", () => {
  const exported = (ciphertext: string, more: object = {}): string =>
    JSON.stringify({
      version: 3,
      deployment: { resources: [{ urn: "urn:a", outputs: { token: { ciphertext }, port: 1 } }], ...more },
    });
  const isSameText = (one: string, other: string): boolean => isSame(parseExport(one), parseExport(other));

  test("knows a stack again whose secrets an import has encrypted anew, and no other", () => {
    expect(isSameText(exported("v1:a"), exported("v1:b"))).toBe(true);
    expect(isSameText(exported("v1:a"), exported("v1:a").replace('"port":1', '"port":2'))).toBe(false);
  });

  test("refuses a stack with pending operations", () => {
    const pending = parseExport(exported("v1:a", { pending_operations: [{ type: "creating" }] }));
    expect(() => requireSettled("prod", pending)).toThrow(
      "Run `./archon recover --stack prod`, then `./archon pulumi refresh --stack prod`.",
    );
    [{}, { pending_operations: [] }, { pending_operations: null }].forEach((more) =>
      expect(() => requireSettled("prod", parseExport(exported("v1:a", more)))).not.toThrow(),
    );
  });

  test("refuses embedded states, and takes a relative directory from where the user called", async () => {
    ensureState(state);
    writeStack(state.backend, "dev", "{}");
    const other = embeddedState(process.env, path.join(home, "other"));
    for (const { backend } of [state, other]) {
      await expect(moveState(`file://${backend}`, new Steps())).rejects.toThrow("is the embedded state of a checkout");
    }
    const before = process.env.INIT_CWD;
    process.env.INIT_CWD = home;
    try {
      await expect(moveState("file://shared", new Steps())).rejects.toThrow(`mkdir ${path.join(home, "shared")}`);
    } finally {
      if (before === undefined) {
        delete process.env.INIT_CWD;
      } else {
        process.env.INIT_CWD = before;
      }
    }
  });

  test("prints the address with its parameters and without credentials", () => {
    const url = "s3://key:secret@team/archon?region=x";
    const text = describeMove({ stacks: ["dev"], url, passphraseFile: "/p", left: "/l" }).join("\n");
    expect(text).toContain("export PULUMI_BACKEND_URL='s3://team/archon?region=x'");
    expect(text).not.toContain("secret@");
  });
});

test("stacks are found whatever their compression, each once", () => {
  ensureState(state);
  ["a.json", "a.json.bak", "b.json.gz", "b.json.gz.attrs", "c.json.zst"].forEach((name) => {
    writeStack(state.backend, "x", "{}");
    fs.writeFileSync(path.join(state.backend, ".pulumi", "stacks", "archon", name), "{}");
  });
  expect(stacksIn(state.backend)).toEqual(["a", "b", "c", "x"]);
});
