import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as module from "node:module";
import * as os from "node:os";
import * as path from "node:path";

/** What the project does itself where Node.js has no such cache. */
const describeOwn = "enableCompileCache" in module ? describe.skip : describe;

describeOwn("a module", () => {
  const lib = path.resolve(__dirname, "../../lib");
  let checkout: string;

  beforeEach(() => {
    checkout = fs.mkdtempSync(path.join(os.tmpdir(), "compile-cache-"));
    fs.mkdirSync(path.join(checkout, "lib"));
    for (const file of ["compile-cache.cjs", "package-cache.cjs"]) {
      fs.copyFileSync(path.join(lib, file), path.join(checkout, "lib", file));
    }
  });
  afterEach(() => {
    fs.rmSync(checkout, { recursive: true });
  });

  /** Runs a module. @returns what it printed, and a line for each module: whether V8 rejects what was kept of it */
  function start(text: string): { stdout: string; stderr: string } {
    fs.writeFileSync(path.join(checkout, "main.js"), text);
    const script = `
      const vm = require("vm");
      vm.Script = class extends vm.Script {
        constructor(...args) {
          super(...args);
          console.log("rejected:", this.cachedDataRejected);
        }
      };
      require("./lib/compile-cache.cjs");
      require("./main.js");`;
    return spawnSync(process.execPath, ["--eval", script], { cwd: checkout, encoding: "utf8" });
  }

  test("is compiled at the first start only", () => {
    const text = "#!/usr/bin/env node\nconsole.log(require('./lib/package-cache.cjs') !== exports, __filename);";
    const printed = `true ${path.join(checkout, "main.js")}\n`;

    expect(start(text).stdout).toBe(`rejected: undefined\n${printed}`);
    expect(start(text).stdout).toBe(`rejected: false\n${printed}`);
  });

  test("that has changed is compiled", () => {
    start("console.log(1);");

    expect(start("console.log(2);").stdout).toBe("rejected: undefined\n2\n");
  });

  test("of which a damaged file was kept is compiled, and kept again", () => {
    start("console.log(1);");
    const [kept = ""] = fs
      .readdirSync(path.join(checkout, "node_modules"), { recursive: true, withFileTypes: true, encoding: "utf8" })
      .flatMap((entry) => (entry.isFile() ? [path.join(entry.parentPath, entry.name)] : []));
    fs.truncateSync(kept, 100);

    expect(start("console.log(1);").stdout).toBe("rejected: true\n1\n");
    expect(start("console.log(1);").stdout).toBe("rejected: false\n1\n");
  });

  test("may import modules", () => {
    fs.writeFileSync(path.join(checkout, "other.mjs"), "export const two = 2;");

    expect(start('import("./other.mjs").then(({ two }) => console.log(two));')).toMatchObject({
      stdout: "2\n",
      stderr: "",
    });
  });

  test("has the positions of its source in a stack trace", () => {
    expect(start("console.log(new Error().stack);").stdout).toContain("main.js:1:13)");
  });
});
