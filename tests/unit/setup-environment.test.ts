import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { buildPulumiEnvironment, shellExports, withoutShims } from "../../commands/lib/environment";
import type { Backend } from "../../commands/lib/backend";
import type { PulumiTools } from "../../commands/lib/pulumi-tools";
import { archonPath, projectRoot, shimDirectory } from "../../lib/paths";

const built: PulumiTools = { home: "/cache/home", binDirectory: "/cache/bin", version: "3.259.0", origin: "built" };
const onPath: PulumiTools = { home: "/home/me/.pulumi", binDirectory: undefined, version: "3.259.0", origin: "path" };
const embedded: Backend = {
  url: "file:///states/archon/backend",
  source: "embedded",
  passphraseFile: "/states/archon/passphrase",
  ignoredLogin: undefined,
};

describe("the environment of Pulumi", () => {
  test("has the tools first on PATH, once, and the backend", () => {
    const base = { PATH: "/usr/bin:/cache/bin:/bin", HOME: "/home/me" };
    expect(buildPulumiEnvironment(built, base, embedded)).toEqual({
      HOME: "/home/me",
      PATH: "/cache/bin:/usr/bin:/bin",
      PULUMI_HOME: "/cache/home",
      PULUMI_BACKEND_URL: embedded.url,
      PULUMI_CONFIG_PASSPHRASE_FILE: embedded.passphraseFile,
      PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_LANGUAGE_NODEJS_RUN_PATH: path.join(projectRoot, "toolchain", "run-program.cjs"),
    });
    expect(base).toEqual({ PATH: "/usr/bin:/cache/bin:/bin", HOME: "/home/me" });
  });

  test("keeps the engine that the person names, and names none itself: that is for the stack to say", () => {
    expect(buildPulumiEnvironment(onPath, { DOCKER_HOST: "tcp://other:2375" }, embedded).DOCKER_HOST).toBe(
      "tcp://other:2375",
    );
    expect(buildPulumiEnvironment(onPath, {}, embedded)).not.toHaveProperty("DOCKER_HOST");
  });
});

describe("the exports for a shell", () => {
  test("name only what differs, and unset what must not be there", () => {
    const base = { PATH: "/usr/bin", HOME: "/home/me", PULUMI_CONFIG_PASSPHRASE: "other" };
    const lines = shellExports(buildPulumiEnvironment(built, base, embedded), base).split("\n");
    expect(lines.map((line) => line.split("=")[0])).toEqual([
      "export PATH",
      "export PULUMI_BACKEND_URL",
      "export PULUMI_CONFIG_PASSPHRASE_FILE",
      "export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
      "export PULUMI_HOME",
      "export PULUMI_IGNORE_AMBIENT_PLUGINS",
      "export PULUMI_LANGUAGE_NODEJS_RUN_PATH",
      "export PULUMI_SKIP_UPDATE_CHECK",
      "unset PULUMI_CONFIG_PASSPHRASE",
    ]);
    expect(lines[0]).toBe(`export PATH='${shimDirectory}:/cache/bin:/usr/bin'`);
  });

  test("survive a shell, whatever is in them", () => {
    const value = `it's "$HOME" \`x\` \\ `;
    const script = `${shellExports({ PATH: process.env.PATH, ODD: value }, {})}\nprintf %s "$ODD"`;
    expect(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" })).toBe(value);
  });

  test("evaluated twice change nothing more", () => {
    const once = { ...buildPulumiEnvironment(built, { PATH: "/usr/bin" }, embedded) };
    once.PATH = [shimDirectory, once.PATH].join(path.delimiter);
    expect(shellExports(buildPulumiEnvironment(built, once, embedded), once)).toBe("");
  });
});

test("the shims of every checkout are taken off PATH", () => {
  expect(withoutShims([archonPath("bin"), "/usr/bin", "/other/clone/.archon/bin", "/x.archon/bin"].join(":"))).toBe(
    "/usr/bin:/x.archon/bin",
  );
  expect(withoutShims(undefined)).toBe("");
});
