import { ask } from "../../commands/lib/ask";
import { parseOptions } from "../../commands/lib/options";
import { age } from "../../commands/lib/render";

const usage = "npm run x [-- --stack STACK]";
const options = { stack: { type: "string", default: "dev" }, yes: { type: "boolean", default: false } } as const;

test("options have their defaults, and take both ways of writing a value", () => {
  expect(parseOptions([], usage, options).values).toEqual({ stack: "dev", yes: false });
  expect(parseOptions(["--stack", "prod", "--yes"], usage, options).values).toEqual({ stack: "prod", yes: true });
  expect(parseOptions(["--stack=prod", "id"], usage, options, 1)).toMatchObject({
    values: { stack: "prod" },
    positionals: ["id"],
  });
});

test.each([
  [["--stak", "prod"], "--stak"],
  [["--stack"], "--stack"],
  [["--yes=no"], "--yes"],
  [["one", "two"], '"two"'],
])("arguments that do not fit are named, and the usage is shown: %j", (args, named) => {
  const read = (): unknown => parseOptions(args, usage, options, 1);
  expect(read).toThrow(named);
  expect(read).toThrow(`\nUsage: ${usage}`);
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
