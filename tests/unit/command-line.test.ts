import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { groups } from "../../commands/lib/command-list";
import { callersPath } from "../../commands/lib/options";
import { ask } from "../../commands/lib/prompt";
import { runProgram } from "../../commands/lib/program";
import { age } from "../../commands/lib/render";

// In this process, with what is written caught; the last test starts the real program. Nothing gets as far as the
// set-up.

const root = path.resolve(__dirname, "../..");
const names = groups.flatMap(({ commands }) => commands.map(({ name }) => name));

async function archon(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    jest.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  try {
    return { status: await runProgram(args), ...written };
  } finally {
    spies.forEach((spy) => spy.mockRestore());
  }
}

describe("help", () => {
  test("lists every command in its group, with examples and exit codes", async () => {
    const { status, stdout } = await archon("--help");
    expect(status).toBe(0);
    for (const { title, commands: members } of groups) {
      expect(stdout).toContain(`\n${title}\n`);
      members.forEach(({ name, summary }) =>
        expect(stdout).toMatch(new RegExp(`^ {2}${name} +${summary.slice(0, 20)}`, "m")),
      );
    }
    expect(stdout).toContain("./archon rollback previous");
    expect(stdout).toContain("Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted");
  });

  test("is the answer to no command at all, as wrong usage", async () => {
    const { status, stdout, stderr } = await archon();
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("Usage: archon <command>");
  });

  test.each(names)("of %s has a usage and an example", async (command) => {
    const { status, stdout } = await archon(command, "--help");
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: archon ${command}`);
    expect(stdout).toMatch(/\nExamples?:\n {2}\S/);
  });

  test("of a subcommand shows its options", async () => {
    expect((await archon("models", "pin", "--help")).stdout).toContain("--max-bytes <size>");
  });

  test("the version is that of package.json", async () => {
    const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
    expect(await archon("--version")).toMatchObject({ status: 0, stdout: `${version}\n` });
  });
});

test.each<[args: string[], named: string, nearest: string]>([
  [["rolback"], "unknown command 'rolback'", "(Did you mean rollback?)"],
  [["models", "pni", "Org/Name"], "unknown command 'pni'", "(Did you mean pin?)"],
  [["bench", "sever"], "unknown command 'sever'", "(Did you mean server?)"],
  [["bundle", "exprt", "file"], "unknown command 'exprt'", "(Did you mean export?)"],
  [["bundle"], "Usage: archon bundle", ""],
  [["releases", "--stak", "prod"], "unknown option '--stak'", "(Did you mean --stack?)"],
  [["models", "--jsn"], "unknown option '--jsn'", "(Did you mean --json?)"],
  [["--versoin"], "unknown option '--versoin'", "(Did you mean --version?)"],
  [["releases", "--stack"], "option '--stack <name>' argument missing", ""],
  [["rollback", "one", "--yes=no"], "--yes", ""],
  [["rollback", "one", "two"], "too many arguments for 'rollback'", ""],
  [["rollback"], "which release?", ""],
  [["rollback", "previous", "--forward"], "--forward takes no release", ""],
  [["models", "pin"], "missing required argument 'org/name'", ""],
  [["models", "pin", "Org/Name", "--max-bytes", "much"], "expected a size such as 5GB", ""],
  [["test-soak", "--fuzz", "many"], "It must be a whole number.", ""],
  [["test-soak", "--runs", "-1"], "It must be a whole number.", ""],
])(
  "wrong usage is named, with the nearest word and where to read more, and exits with 2: %j",
  async (args, named, nearest) => {
    const { status, stdout, stderr } = await archon(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(named);
    expect(stderr).toContain(nearest);
    expect(stderr).toMatch(/\.\/archon .*--help|Examples:/);
  },
);

test("the program itself: what cannot be done exits with 1", () => {
  const run = (...args: string[]) =>
    spawnSync(path.join(root, "archon"), args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  expect(run("preview", "--json", "no-such-file")).toMatchObject({
    status: 1,
    stdout: "",
    stderr: expect.stringContaining(
      "There is no file no-such-file. Save a preview with `./archon pulumi preview --json > no-such-file`.",
    ) as string,
  });
});

test("a file of the user is one of where npm was started, and its missing directory is named before anything is measured", async () => {
  const before = process.env.INIT_CWD;
  process.env.INIT_CWD = "/nonexistent";
  try {
    expect([callersPath("a.tar"), callersPath("/srv/a.tar")]).toEqual(["/nonexistent/a.tar", "/srv/a.tar"]);
    await expect(archon("report", "--svg", "figures/a.svg")).rejects.toThrow(
      "There is no directory /nonexistent/figures for the drawing. Make it: mkdir -p /nonexistent/figures",
    );
  } finally {
    if (before === undefined) {
      delete process.env.INIT_CWD;
    } else {
      process.env.INIT_CWD = before;
    }
  }
});

test("without a terminal nobody is asked, and the way to go on is named", async () => {
  expect(process.stdin.isTTY).not.toBe(true);
  await expect(ask("Go back? ", "Add --yes.")).rejects.toThrow(
    "Go back?\nNobody can answer: this is not a terminal. Add --yes.",
  );
});

test.each([
  [-5, "0 s"],
  [59_999, "59 s"],
  [60_000, "1 min"],
  [7_200_000, "2 h"],
  [86_400_000 * 400, "400 d"],
])("an age of %d ms is %s", (milliseconds, shown) => {
  expect(age(milliseconds)).toBe(shown);
});
