import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse } from "yaml";

jest.mock("../../lib/paths", () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "stack-file-"));
  return {
    projectRoot: root,
    archonPath: (...segments: string[]) => path.join(root, ".archon", ...segments),
  };
});

import { projectRoot as project } from "../../lib/paths";
import {
  forgetSalts,
  hasSecretsSettings,
  rememberedSalt,
  rememberSalt,
  saltOf,
  withoutNewSalt,
  withoutSalt,
  withSalt,
  withStackFile,
} from "../../commands/lib/stack-file";

// Callbacks stand in for Pulumi: they write files as it does. That Pulumi honours the file it is given, the real CLI
// has to show.

const salt = "v1:AAAAAAAAAAA=:v1:BBBBBBBBBBBBBBBB:CCCCCCCCCCCCCCCCCCCCCC==";
const decisions = "# decisions\nconfig:\n  archon:port: 8181 # loopback\n";
const committed = path.join(project, "Pulumi.dev.yaml");
const backend = "s3://bucket/archon";
const copy = path.join(project, ".archon", "stacks", "755ec1446875", "Pulumi.dev.yaml");

beforeEach(() => {
  fs.rmSync(path.join(project, ".archon"), { recursive: true, force: true });
  fs.writeFileSync(committed, decisions);
});

afterAll(() => fs.rmSync(project, { recursive: true }));

function textOf(file: string): string {
  return fs.readFileSync(file, "utf8");
}

describe("the salt", () => {
  test("is added to a text and taken from it without touching the rest", () => {
    expect(withSalt(decisions, salt)).toBe(`${decisions}encryptionsalt: ${salt}\n`);
    expect(withoutSalt(withSalt(decisions, salt))).toBe(decisions);
    expect(saltOf(withSalt(decisions, salt))).toBe(salt);
  });

  test("is one line however the text ends, and replaces another", () => {
    expect(withSalt("config: {}", salt)).toBe(`config: {}\nencryptionsalt: ${salt}\n`);
    expect(withSalt("", salt)).toBe(`encryptionsalt: ${salt}\n`);
    expect(withSalt("encryptionsalt: old\nconfig: {}\n", salt)).toBe(`config: {}\nencryptionsalt: ${salt}\n`);
  });

  test("is read, added and taken out where the file is in the style of JSON, also over several lines", () => {
    for (const text of ['{"config":{"archon:port":8181}}', '{\n  "config": {\n    "archon:port": 8181\n  }\n}\n']) {
      const salted = withSalt(text, salt);
      expect(parse(salted)).toEqual({ config: { "archon:port": 8181 }, encryptionsalt: salt });
      expect(saltOf(salted)).toBe(salt);
      expect(parse(withoutSalt(salted))).toEqual({ config: { "archon:port": 8181 } });
      expect(withoutSalt(text)).toBe(text);
    }
    fs.writeFileSync(committed, `{"encryptionsalt":"${salt}","config":{}}`);
    expect(hasSecretsSettings("dev")).toBe(true);
  });

  test("is not found in a comment or a nested key", () => {
    expect(saltOf("# encryptionsalt: x\nconfig:\n  encryptionsalt: y\n")).toBeUndefined();
  });
});

describe("a call on a stack", () => {
  test("works on a copy with the salt and leaves the committed file alone", async () => {
    const seen = await withStackFile("dev", backend, salt, async (file) => [file, textOf(String(file))]);
    expect(seen).toEqual([copy, withSalt(decisions, salt)]);
    expect(textOf(committed)).toBe(decisions);
    expect(fs.statSync(copy).mode & 0o777).toBe(0o600);
  });

  test("sees the committed file as it is now, not as it was the last time", async () => {
    await withStackFile("dev", backend, salt, async () => undefined);
    fs.writeFileSync(committed, "config:\n  archon:port: 9\n");
    expect(await withStackFile("dev", backend, salt, async (file) => textOf(String(file)))).toContain(
      "archon:port: 9\n",
    );
  });

  test("that changes the configuration changes the committed file, but for the salt", async () => {
    await withStackFile("dev", backend, salt, async (file) =>
      fs.writeFileSync(String(file), withSalt('config:\n  archon:port: "9000"\n', salt)),
    );
    expect(textOf(committed)).toBe('config:\n  archon:port: "9000"\n');
  });

  test("keeps what was changed before it failed", async () => {
    const failing = withStackFile("dev", backend, salt, async (file) => {
      fs.writeFileSync(String(file), withSalt("config: {}\n", salt));
      throw new Error("failed");
    });
    await expect(failing).rejects.toThrow("failed");
    expect(textOf(committed)).toBe("config: {}\n");
  });

  test.each(["encryptionsalt: v1:team", "secretsprovider: awskms://alias/team", "encryptedkey: QUJD"])(
    "whose committed file has %j is left to Pulumi",
    (line) => {
      expect(hasSecretsSettings("dev")).toBe(false);
      fs.appendFileSync(committed, `${line}\n`);
      expect(hasSecretsSettings("dev")).toBe(true);
    },
  );

  test("has another salt in another backend, and none once they are forgotten", () => {
    rememberSalt("dev", backend, salt);
    rememberSalt("dev", "file:///other", "v1:other");
    expect([rememberedSalt("dev", backend), rememberedSalt("dev", "file:///other")]).toEqual([salt, "v1:other"]);
    forgetSalts();
    expect(rememberedSalt("dev", backend)).toBeUndefined();
  });
});

describe("a call that creates a stack", () => {
  const pulumiAddsSalt = (text: string) => async () => fs.writeFileSync(committed, withSalt(text, salt));

  test("leaves the committed file as it was, in its own words, and remembers the salt", async () => {
    await withoutNewSalt("dev", backend, false, pulumiAddsSalt('config:\n  archon:port: "8181"\n'));
    expect(textOf(committed)).toBe(decisions);
    expect(rememberedSalt("dev", backend)).toBe(salt);
  });

  test("leaves no file where none was", async () => {
    fs.rmSync(committed);
    await withoutNewSalt("dev", backend, false, pulumiAddsSalt(""));
    expect(fs.existsSync(committed)).toBe(false);
    expect(rememberedSalt("dev", backend)).toBe(salt);
  });

  test("keeps configuration that was copied into it", async () => {
    await withoutNewSalt("dev", backend, true, pulumiAddsSalt("config:\n  copied: true\n"));
    expect(textOf(committed)).toBe("config:\n  copied: true\n");
  });

  test("does not take the salt that a team committed", async () => {
    const team = `encryptionsalt: v1:team\n${decisions}`;
    fs.writeFileSync(committed, team);
    await withoutNewSalt("dev", backend, false, async () => undefined);
    expect(textOf(committed)).toBe(team);
    expect(rememberedSalt("dev", backend)).toBeUndefined();
  });
});

test("a remembered salt goes with the committed decisions", () => {
  rememberSalt("dev", backend, salt);
  expect(textOf(copy)).toBe(withSalt(decisions, salt));
});
