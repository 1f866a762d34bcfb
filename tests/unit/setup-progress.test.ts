import { Steps } from "../../commands/lib/progress";
import { lineSplitter } from "../../commands/lib/run";
import { columnsOf, bar, bytes, duration, table, truncate, wrap } from "../../commands/lib/render";

describe("a duration", () => {
  test.each([
    [0, "0.0 s"],
    [3_240, "3.2 s"],
    [9_949, "9.9 s"],
    [9_950, "10 s"],
    [59_400, "59 s"],
    [59_600, "1 min 00 s"],
    [545_000, "9 min 05 s"],
  ])("of %d ms is %j", (milliseconds, expected) => {
    expect(duration(milliseconds)).toBe(expected);
  });
});

describe("a size", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.00 kB"],
    [999_600, "1.00 MB"],
    [169_150_862, "169 MB"],
    [5_510_000_000, "5.51 GB"],
  ])("of %d bytes is %j", (count, expected) => {
    expect(bytes(count)).toBe(expected);
  });
});

test("a bar is filled by its share, and never beyond its ends", () => {
  expect(bar(0)).toBe("░".repeat(24));
  expect(bar(0.5)).toBe("█".repeat(12) + "░".repeat(12));
  expect(bar(7)).toBe("█".repeat(24));
  expect(bar(-1)).toBe("░".repeat(24));
});

test("a terminal that does not know its width counts as one of the usual width", () => {
  expect([columnsOf({ columns: 0 }, 80), columnsOf({}, 80), columnsOf({ columns: 132 }, 80)]).toEqual([80, 80, 132]);
});

test("text is cut, wrapped and put into columns by characters", () => {
  expect(truncate("wörter", 6)).toBe("wörter");
  expect(truncate("wörter", 4)).toBe("wör…");
  expect(wrap("one two  three\nseventeen-letters four", 9)).toEqual(["one two", "three", "seventeen-letters", "four"]);
  expect(wrap("", 9)).toEqual([]);
  expect(
    table(
      [
        ["#", "name"],
        ["10", "ö"],
        ["9", "longer"],
      ],
      [0],
    ),
  ).toEqual([" #  name", "10  ö", " 9  longer"]);
});

test("lines end with a line feed, a carriage return or both, also across chunks", () => {
  const lines: string[] = [];
  const splitter = lineSplitter((line) => lines.push(line));
  for (const chunk of ["on", "e\ntwo\r", "\nthree\r33 %\r66 %\r", "\n\nla", "st"]) {
    splitter.push(chunk);
  }
  splitter.end();
  expect(lines).toEqual(["one", "two", "three", "33 %", "66 %", "", "last"]);
});

describe("steps without a terminal", () => {
  let written: string;
  let clock: number;
  let steps: Steps;

  beforeEach(() => {
    written = "";
    clock = 0;
    steps = new Steps({
      output: { write: (text) => (written += text) },
      interactive: false,
      color: false,
      now: () => clock,
    });
  });

  test("are numbered lines with outcome and time", async () => {
    await steps.run(
      "Docker engine",
      async () => (clock += 3_200),
      () => "20.10.24",
    );
    await steps.run("Base image", async () => (clock += 42_000));
    expect(written).toBe("1 ✔ Docker engine 20.10.24 … 3.2 s\n2 ✔ Base image … 42 s\n");
    expect(steps.times).toEqual([
      { title: "Docker engine", milliseconds: 3_200 },
      { title: "Base image", milliseconds: 42_000 },
    ]);
  });

  test("name themselves once before their messages", async () => {
    await steps.run("Pulumi", async (progress) => {
      progress.message("building");
      progress.message("still building");
    });
    expect(written).toBe("1 … Pulumi\n    building\n    still building\n1 ✔ Pulumi … 0.0 s\n");
  });

  test("print an update each tenth or each ten seconds", async () => {
    await steps.run("Base image", async (progress) => {
      for (let done = 0; done <= 100; done += 1) {
        progress.update(done, 100, `line ${done}`);
      }
      progress.update(100, 100, "at once");
      clock += 10_000;
      progress.update(100, 100, "later");
      progress.update(0, 0, "unknown, at once");
      clock += 10_000;
      progress.update(0, 0, "unknown, later");
    });
    const updates = written.split("\n").filter((line) => line.startsWith("    "));
    expect(updates).toHaveLength(12);
    expect(updates.slice(0, 2)).toEqual(["     10 %  line 10", "     20 %  line 20"]);
    expect(updates.slice(-3)).toEqual(["    100 %  line 100", "    100 %  later", "    unknown, later"]);
  });

  test("that fail are marked, timed, and pass their error on", async () => {
    const failing = steps.run("Stack dev", async () => {
      clock += 500;
      throw new Error("no disk");
    });
    await expect(failing).rejects.toThrow("no disk");
    expect(written).toBe("1 ✖ Stack dev … 0.5 s\n");
    expect(steps.times).toEqual([{ title: "Stack dev", milliseconds: 500 }]);
  });
});

describe("steps on a terminal", () => {
  test("redraw one line within its width and leave only the outcome", async () => {
    const writes: string[] = [];
    const steps = new Steps({
      output: { write: (text) => writes.push(text), columns: 40 },
      interactive: true,
      color: false,
      now: () => 0,
    });
    await steps.run("Base image", async (progress) => {
      progress.update(50, 100, "Retrieving a-package-with-a-very-long-name");
      progress.message("from a mirror");
    });
    const drawn = writes.filter((text) => text.startsWith("\r\u001b[2K1 "));
    expect(drawn.length).toBeGreaterThan(0);
    for (const text of drawn) {
      expect([...text.replace("\r\u001b[2K", "")].length).toBeLessThanOrEqual(39);
      expect(text).not.toContain("\n");
    }
    expect(writes).toContain("\r\u001b[2K    from a mirror\n");
    expect(writes.at(-1)).toBe("1 ✔ Base image … 0.0 s\n");
  });
});
