import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import {
  credentialsDirectory,
  displayUrl,
  fileBackendDirectory,
  findBackend,
  withBackend,
  withoutCredentials,
} from "../../commands/lib/backend";
import { embeddedState, ensureState, writeRecord, type EmbeddedState } from "../../commands/lib/embedded-state";

// That Pulumi itself has the same order, its own code shows; that it uses what it gets here, the engine tests.

let home: string;
let checkout: string;
let base: NodeJS.ProcessEnv;
let own: EmbeddedState;
const login = (url: string): void => {
  fs.mkdirSync(path.join(home, ".pulumi"), { recursive: true });
  fs.writeFileSync(path.join(home, ".pulumi", "credentials.json"), JSON.stringify({ current: url }));
};
const commit = (url: string): void =>
  fs.writeFileSync(path.join(checkout, "Pulumi.yaml"), `name: archon\nbackend:\n  url: ${url}\n`);
const find = (more: NodeJS.ProcessEnv = {}): [string, string] => {
  const { url, source } = findBackend({ ...base, ...more }, checkout);
  return [url, source];
};

beforeEach(() => {
  home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "backend-")));
  checkout = path.join(home, "archon");
  fs.mkdirSync(checkout);
  fs.writeFileSync(path.join(checkout, "Pulumi.yaml"), "name: archon\n");
  base = { HOME: home };
  own = embeddedState(base, checkout);
});
afterEach(() => fs.rmSync(home, { recursive: true }));

describe("the backend", () => {
  test("is embedded for a newcomer, in a directory that the checkout's path names", () => {
    expect(find()).toEqual([`file://${own.backend}`, "embedded"]);
    expect(path.relative(home, own.directory)).toMatch(/^\.local\/state\/archon-pulumi\/archon-[0-9a-f]{8}$/);
    expect(embeddedState(base, path.join(home, "other", "archon")).directory).not.toBe(own.directory);
    expect(embeddedState({ ...base, ARCHON_STATE: "/srv/states" }, checkout).directory).toMatch(
      /^\/srv\/states\/archon-/,
    );
  });

  test("is what the shell names before what Pulumi.yaml names before everything else", () => {
    ensureState(own, checkout);
    login("https://api.pulumi.com");
    expect(find()).toEqual([`file://${own.backend}`, "embedded"]);
    commit("s3://team/archon?region=eu-central-1");
    expect(find()).toEqual(["s3://team/archon?region=eu-central-1", "Pulumi.yaml"]);
    expect(find({ PULUMI_BACKEND_URL: "gs://other" })).toEqual(["gs://other", "PULUMI_BACKEND_URL"]);
  });

  test("is that of a login only while the checkout has no state, and a login that is not used is known", () => {
    login("https://api.pulumi.com");
    expect(find()).toEqual(["https://api.pulumi.com", "pulumi login"]);
    expect(findBackend(base, checkout).ignoredLogin).toBeUndefined();
    ensureState(own, checkout);
    expect(findBackend(base, checkout)).toMatchObject({ source: "embedded", ignoredLogin: "https://api.pulumi.com" });
  });

  test("is the service of a build server that has a token and no login", () => {
    expect(find({ PULUMI_ACCESS_TOKEN: "pul-0" })).toEqual(["https://api.pulumi.com", "pulumi login"]);
    expect(find({ PULUMI_ACCESS_TOKEN: "pul-0", PULUMI_API: "https://pulumi.example" })[0]).toBe(
      "https://pulumi.example",
    );
  });

  test("is where the stacks have moved, with the passphrase that they keep", () => {
    ensureState(own, checkout);
    writeRecord(own, { checkout, movedTo: "s3://team", movedAt: "2026-11-29T14:00:00Z" });
    login("https://api.pulumi.com");
    expect(find()).toEqual(["s3://team", "archon state move"]);
    for (const more of [{}, { PULUMI_BACKEND_URL: "s3://team" }]) {
      expect(findBackend({ ...base, ...more }, checkout).passphraseFile).toBe(own.passphraseFile);
    }
    expect(findBackend({ ...base, PULUMI_BACKEND_URL: "s3://other" }, checkout).passphraseFile).toBeUndefined();
  });

  test("is not the embedded one of another checkout, or of an earlier version, that a shell still has", () => {
    const other = embeddedState(base, path.join(home, "other"));
    for (const url of [`file://${other.backend}`, "file:///home/ada/archon/.archon/state"]) {
      expect(find({ PULUMI_BACKEND_URL: url })).toEqual([`file://${own.backend}`, "embedded"]);
    }
  });

  test("of a relative directory is below Pulumi.yaml, or below where the command was started", () => {
    commit("file://./state");
    expect(find()[0]).toBe(`file://${checkout}/state`);
    expect(find({ PULUMI_BACKEND_URL: "file://state?no_tmp_dir=true", INIT_CWD: "/srv" })[0]).toBe(
      "file:///srv/state?no_tmp_dir=true",
    );
    expect(find({ PULUMI_BACKEND_URL: "file://~" })[0]).toBe("file://~");
  });
});

describe("the environment of Pulumi", () => {
  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
    const given = { ...base, ...more };
    return withBackend(findBackend(given, checkout), given);
  };

  test("has the checkout's own passphrase with the embedded backend, whatever the shell has", () => {
    const made = environment({ PULUMI_CONFIG_PASSPHRASE: "other" });
    expect(made).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE");
    expect(made).toMatchObject({
      PULUMI_BACKEND_URL: `file://${own.backend}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: own.passphraseFile,
    });
  });

  test("has the passphrase of the shell with another backend, and none if there is none: a key service may do it", () => {
    const PULUMI_BACKEND_URL = "s3://team";
    expect(environment({ PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE: "" }).PULUMI_CONFIG_PASSPHRASE).toBe("");
    expect(environment({ PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE_FILE: "/p" })).toMatchObject({
      PULUMI_CONFIG_PASSPHRASE_FILE: "/p",
    });
    const none = environment({ PULUMI_BACKEND_URL });
    expect(none).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
    expect(none).not.toHaveProperty("PULUMI_CREDENTIALS_PATH");
  });

  test("has the passphrase of an embedded state only where the shell names a shared backend beside it", () => {
    const PULUMI_CONFIG_PASSPHRASE_FILE = embeddedState(base, path.join(home, "other")).passphraseFile;
    expect(environment({ PULUMI_BACKEND_URL: "s3://team", PULUMI_CONFIG_PASSPHRASE_FILE })).toMatchObject({
      PULUMI_CONFIG_PASSPHRASE_FILE,
    });
    commit("s3://team");
    for (const PULUMI_BACKEND_URL of [undefined, `file://${own.backend}`]) {
      expect(environment({ PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE_FILE })).not.toHaveProperty(
        "PULUMI_CONFIG_PASSPHRASE_FILE",
      );
    }
  });

  test("has the user's credentials with a service, not those of our tool chain", () => {
    const service = { PULUMI_BACKEND_URL: "https://api.pulumi.com" };
    expect(environment(service).PULUMI_CREDENTIALS_PATH).toBe(path.join(home, ".pulumi"));
    const ours = path.join(home, ".cache", "archon-pulumi", "toolchain", "x", "home");
    expect(credentialsDirectory({ ...base, PULUMI_HOME: ours })).toBe(path.join(home, ".pulumi"));
    expect(credentialsDirectory({ ...base, PULUMI_HOME: "/opt/pulumi" })).toBe("/opt/pulumi");
    expect(credentialsDirectory({ ...base, PULUMI_CREDENTIALS_PATH: "/c", PULUMI_HOME: "/opt/pulumi" })).toBe("/c");
  });
});

test("an address is shown without credentials and parameters", () => {
  expect(displayUrl("s3://key:secret@bucket/a?endpoint=127.0.0.1:9&awssdk=v2")).toBe("s3://bucket/a");
  expect(displayUrl("https://api.pulumi.com/ada")).toBe("https://api.pulumi.com/ada");
  expect(withoutCredentials("s3://key:secret@bucket/a?region=x")).toBe("s3://bucket/a?region=x");
});

test("a file backend has a directory, any other has none", () => {
  expect(fileBackendDirectory("file:///srv/state?no_tmp_dir=true")).toBe("/srv/state");
  expect(fileBackendDirectory("file://~/state")).toBe(path.join(os.homedir(), "state"));
  expect(fileBackendDirectory("s3://bucket")).toBeUndefined();
});
