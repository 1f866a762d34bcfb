import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

// The reader in checkouts of a file or two, and the real program without an engine: that Pulumi starts it, the engine
// tests show.

const root = path.resolve(__dirname, "../..");
const directories: string[] = [];

afterEach(() => {
  directories.splice(0).forEach((directory) => fs.rmSync(directory, { recursive: true }));
});

/** A checkout with the reader and these files. @param packages of another checkout, to share */
function checkoutOf(files: Readonly<Record<string, string>>, packages?: string): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "typescript-"));
  directories.push(directory);
  fs.mkdirSync(path.join(directory, "lib"));
  ["typescript.cjs", "package-cache.cjs"].forEach((name) => {
    fs.copyFileSync(path.join(root, "lib", name), path.join(directory, "lib", name));
  });
  Object.entries(files).forEach(([name, text]) => fs.writeFileSync(path.join(directory, name), text));
  const modules = path.join(directory, "node_modules");
  if (packages === undefined) {
    fs.mkdirSync(modules);
    fs.symlinkSync(path.join(root, "node_modules", "typescript"), path.join(modules, "typescript"));
  } else {
    fs.symlinkSync(path.join(packages, "node_modules"), modules);
  }
  return directory;
}

function node(directory: string, script: string, ...options: string[]): { stdout: string; stderr: string } {
  return spawnSync(process.execPath, [...options, "--eval", script], { cwd: directory, encoding: "utf8" });
}

const read = 'require("./lib/typescript.cjs").readTypeScript(); require("./main.ts");';
const typed = "interface Shape {\n  name: string;\n}\n";

test("a stack trace names the lines of the sources", () => {
  const checkout = checkoutOf({
    "main.ts": `${typed}import { fail } from "./other";\n\nconsole.log(fail({ name: "x" } as Shape).stack);\n`,
    "other.ts": `${typed}export function fail(shape: Shape): Error {\n  return new Error(shape.name);\n}\n`,
  });

  const [message, ...frames] = node(checkout, read).stdout.split("\n");

  expect(message).toBe("Error: x");
  expect(frames[0]).toBe(`    at fail (${checkout}/other.ts:5:10)`);
  expect(frames[1]).toContain(`${checkout}/main.ts:6:17`);
});

test("Pulumi gets a stack trace for each promise only if it prints them", () => {
  const main =
    'const promise = Promise.resolve();\nrequire("@pulumi/pulumi/runtime/debuggable").debuggablePromise(promise);\nconsole.log(JSON.stringify(promise._debugStackTrace));\n';
  const checkout = checkoutOf({ "main.ts": main }, root);
  const trace = (shown?: string): string =>
    spawnSync(process.execPath, ["--eval", read], {
      cwd: checkout,
      encoding: "utf8",
      env: { ...process.env, PULUMI_DEBUG_PROMISE_LEAKS: shown },
    }).stdout;

  expect(trace()).toBe('""\n');
  expect(trace("1")).toMatch(/ at .*debuggablePromise .*main\.ts:2:/);
});

test("a file that is no TypeScript is refused with the place", () => {
  const checkout = checkoutOf({ "main.ts": "export const one = 1;\nexport const two: = 2;\n" });

  expect(node(checkout, read).stderr).toContain(`SyntaxError: ${checkout}/main.ts:2:19: Type expected.`);
});

test("what one checkout compiled, another one with the same packages reads without the compiler", () => {
  const files = { "main.ts": 'console.log("read" as string);\n' };
  const first = checkoutOf(files);
  expect(node(first, read).stdout).toBe("read\n");
  const second = checkoutOf(files, first);
  fs.rmSync(path.join(first, "node_modules", "typescript"));

  expect(node(second, read)).toMatchObject({ stdout: "read\n", stderr: "" });
});

test("with packages that cannot be written to, it reads all the same", () => {
  const checkout = checkoutOf({
    "main.ts": 'console.log("read" as string);\n',
    "read-only.cjs":
      'require("fs").mkdirSync = () => { throw Object.assign(new Error("read-only"), { code: "EROFS" }); };\n',
  });

  expect(node(checkout, read, "--require", "./read-only.cjs")).toMatchObject({ stdout: "read\n", stderr: "" });
});

describe("the program", () => {
  const start = 'const program = require("./program.cjs");';

  // A part of each package that is loaded only when used, and of zod's languages.
  const unused = "/pacote|automation.stack|locales.fr/";

  test("starts without what it does not use", () => {
    const script = `${start} console.log(typeof program, Object.keys(require.cache).filter((file) => ${unused}.test(file)));`;
    // The first start compiles what has changed.
    node(root, script);

    expect(node(root, script)).toMatchObject({ stdout: "function []\n", stderr: "" });
  });

  test("gets it when something does use it", () => {
    const script = `${start}
      console.log(require("typescript").version, typeof require("@npmcli/arborist").Arborist);
      console.log(typeof require("@pulumi/pulumi").automation.LocalWorkspace, typeof require("zod").locales.fr);`;
    const { version } = JSON.parse(
      fs.readFileSync(path.join(root, "node_modules", "typescript", "package.json"), "utf8"),
    ) as { version: string };

    expect(node(root, script)).toMatchObject({ stdout: `${version} function\nfunction function\n`, stderr: "" });
  });

  test("a command starts without it, too", () => {
    const script = `
      process.on("exit", () => { console.error(Object.keys(require.cache).filter((file) => ${unused}.test(file))); });
      process.argv.push("preview", "--help");
      require("./commands/launch.cjs");`;

    expect(node(root, script).stderr).toBe("[]\n");
  });

  test("lets V8 optimise nothing", () => {
    const optimised = (script: string): boolean =>
      node(root, script, "--trace-opt").stdout.includes("completed optimizing");

    expect(optimised("for (let round = 0; round < 1e7; round++);")).toBe(true);
    expect(optimised(start)).toBe(false);
  });

  test("connects V8's debugger only to serialise a function", () => {
    const script = `
      const { Session } = require("inspector");
      const { connect } = Session.prototype;
      let sessions = 0;
      Session.prototype.connect = function () { sessions += 1; connect.call(this); };
      ${start}
      const forty = 40;
      (async () => {
        await require("@pulumi/pulumi/runtime/closure/v8Hooks").isInitializedAsync();
        const before = sessions;
        const { text } = await require("@pulumi/pulumi").runtime.serializeFunction(() => forty + 2);
        console.log(before, sessions, text.includes("40"));
      })();`;

    expect(node(root, script).stdout).toBe("0 1 true\n");
  });

  test.each([
    ["program.cjs", undefined],
    ["index.ts", "true"],
  ])("started as %s by the language host that is built here, it has PULUMI_NODEJS_TYPESCRIPT %s", (main, expected) => {
    const script =
      'process.on("exit", () => { console.log(JSON.stringify({ typescript: process.env.PULUMI_NODEJS_TYPESCRIPT })); }); require("./toolchain/run-program.cjs");';
    const { stdout } = spawnSync(process.execPath, ["--eval", script, main], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, PULUMI_NODEJS_TYPESCRIPT: "true" },
    });

    expect(JSON.parse(stdout)).toEqual(expected === undefined ? {} : { typescript: expected });
  });
});
