import * as fc from "fast-check";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { errorFromResponse } from "../../applications/reference/page/src/api/errors";
import {
  formatBytes,
  formatDuration,
  formatMilliseconds,
  pluralise,
} from "../../applications/reference/page/src/format";
import { notesOf } from "../../applications/reference/page/src/job-notes";
import { parseMetrics, quantile, sumSeries } from "../../applications/reference/page/src/metrics";
import { displayText, highlight } from "../../applications/reference/page/src/passage";
import { describeRankChange, linkRankings, rankChange } from "../../applications/reference/page/src/rankings";
import { href, parseRoute } from "../../applications/reference/page/src/route";

// The page's pure functions. tests/browser covers what a browser does with them.

const root = path.resolve(__dirname, "..", "..");
const readJson = (file: string): Record<string, Record<string, unknown>> =>
  JSON.parse(fs.readFileSync(path.join(root, file), "utf8")) as Record<string, Record<string, unknown>>;

describe("the packages that the image builds the page with", () => {
  test("have the versions that the checkout is checked with", () => {
    const [image, checkout] = [readJson("applications/reference/page/package.json"), readJson("package.json")];
    for (const [name, version] of Object.entries({ ...image["dependencies"], ...image["devDependencies"] })) {
      expect({ name, version: checkout["devDependencies"]?.[name] }).toEqual({ name, version });
    }
  });

  test("are locked by hash and name no registry", () => {
    const { packages } = readJson("applications/reference/page/package-lock.json") as {
      packages: Record<string, { integrity?: string; resolved?: string }>;
    };
    const locked = Object.entries(packages).filter(([name]) => name !== "");
    expect(locked.length).toBeGreaterThan(2);
    expect(locked.filter(([, { integrity }]) => integrity?.startsWith("sha512-") !== true)).toEqual([]);
    expect(locked.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });
});

test("the types of the API are those that openapi.json gives", () => {
  const page = path.join(root, "applications", "reference", "page");
  // applications/reference/tests checks that openapi.json is the document of the server's code.
  expect(() => execFileSync("npm", ["run", "types", "--", "--check"], { cwd: page, stdio: "pipe" })).not.toThrow();
}, 60_000);

describe("an unsuccessful response", () => {
  test.each([
    [404, '{"detail":{"error":"Knowledge item x not found"}}', "Knowledge item x not found"],
    [500, '{"detail":"boom"}', "boom"],
    [
      422,
      '{"detail":[{"loc":["body","match_count"],"msg":"too small"},{"loc":["body","query"],"msg":"required"}]}',
      "match_count: too small; query: required",
    ],
    [418, "<html>", "The server answered with status 418 and no reason."],
    [500, '{"detail":null}', "The server answered with status 500 and no reason."],
  ])("with status %i and body %s is the error: %s", (status, text, message) => {
    expect(errorFromResponse(status, text, null).message).toBe(message);
  });

  test("from a gateway without a server means that the server is unreachable", () => {
    expect(errorFromResponse(503, "<html>no server is available</html>", null).message).toBe(
      "The server does not answer.",
    );
    expect(errorFromResponse(503, '{"detail":{"error":"The database is full"}}', null).message).toBe(
      "The database is full",
    );
  });

  test("with Retry-After says how long to wait", () => {
    expect(errorFromResponse(429, '{"detail":{"error":"16 searches wait."}}', "4").message).toBe(
      "16 searches wait. Try again in 4 s.",
    );
  });
});

describe("metrics", () => {
  const samples = parseMetrics(`
# HELP archon_request_seconds Time
archon_request_seconds_bucket{le="0.1",method="GET",route="/a \\"b\\" {c}"} 10.0
archon_request_seconds_bucket{le="0.2",method="GET",route="/a \\"b\\" {c}"} 30.0
archon_request_seconds_bucket{le="+Inf",method="GET",route="/a \\"b\\" {c}"} 40.0
archon_request_seconds_bucket{le="0.1",method="POST",route="/d"} 0.0
archon_request_seconds_bucket{le="0.2",method="POST",route="/d"} 0.0
archon_request_seconds_bucket{le="+Inf",method="POST",route="/d"} 4.0
archon_documents 3.0
no sample
process_start_time_seconds 1.7e+09
`);

  test("are parsed with their labels", () => {
    expect(sumSeries(samples, "archon_documents")).toBe(3);
    expect(sumSeries(samples, "process_start_time_seconds")).toBe(1.7e9);
    expect(samples[0]?.labels).toEqual({ le: "0.1", method: "GET", route: '/a \\"b\\" {c}' });
    expect(samples).toHaveLength(8);
  });

  test("are summed over the selected series", () => {
    expect(sumSeries(samples, "archon_request_seconds_bucket", ({ le }) => le === "+Inf")).toBe(44);
    expect(
      sumSeries(samples, "archon_request_seconds_bucket", ({ le, method }) => le === "+Inf" && method === "POST"),
    ).toBe(4);
    expect(sumSeries(samples, "unknown")).toBeUndefined();
  });

  test("give quantiles that are interpolated linearly, and the largest finite bound above it", () => {
    const series =
      (method: string) =>
      (labels: Readonly<Record<string, string>>): boolean =>
        labels["method"] === method;
    expect(quantile(samples, "archon_request_seconds", 0.5, series("GET"))).toBeCloseTo(0.15);
    expect(quantile(samples, "archon_request_seconds", 0.25, series("GET"))).toBeCloseTo(0.1);
    expect(quantile(samples, "archon_request_seconds", 0.95, series("GET"))).toBe(0.2);
    expect(quantile(samples, "archon_request_seconds", 0.5, series("POST"))).toBe(0.2);
    expect(quantile(samples, "archon_request_seconds", 0.5, series("PUT"))).toBeUndefined();
    expect(quantile(parseMetrics('x_bucket{le="1.0"} 0.0\nx_bucket{le="+Inf"} 0.0'), "x", 0.5)).toBeUndefined();
  });
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [2_949_058, "2.9 MB"],
  [1_190_000_000, "1.2 GB"],
  [126_000_000, "126 MB"],
  [undefined, "–"],
])("%s bytes are formatted as %s", (value, text) => {
  expect(formatBytes(value)).toBe(text);
});

test("durations and counts are formatted for people", () => {
  expect([0.27, 31.4, 1234, 28_000].map(formatMilliseconds)).toEqual(["0.3 ms", "31 ms", "1.2 s", "28 s"]);
  expect([48, 61, 7380, 90_000].map(formatDuration)).toEqual(["48 s", "1 min", "2 h 3 min", "1 d 1 h"]);
  expect([pluralise(1, "passage"), pluralise(1200, "passage")]).toEqual(["1 passage", "1,200 passages"]);
});

describe("the text of a passage", () => {
  test.each([
    [
      "has the lines of a paragraph joined",
      "One line\nand another.\n\nA new\nparagraph.",
      "",
      "One line and another.\n\nA new paragraph.",
    ],
    [
      "keeps the lines of lists, tables, quotations and headings",
      "Do:\n- a\n- b\n1. c\n| t |\n> q\n# h\n  indented",
      "",
      "Do:\n- a\n- b\n1. c\n| t |\n> q\n# h\n  indented",
    ],
    ["keeps the lines of code", "See\nthis\n```sh\na\nb\n```\nand\nthat", "", "See this\n```sh\na\nb\n```\nand that"],
    ["keeps the lines of code that is cut off at the end", "```\na\nb", "", "```\na\nb"],
    [
      "drops a first line that repeats the heading above it",
      "## Models\n\nA model\nis read.",
      "Guide > Models",
      "A model is read.",
    ],
    ["keeps a heading without text below it", "## Models", "Guide > Models", "## Models"],
  ])("%s", (_, text, headings, expected) => {
    expect(displayText(text, headings)).toBe(expected);
  });

  test("never loses a word", () => {
    const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "-", "`", "#", "1.", "|") }), (text) => {
        expect(words(displayText(text, ""))).toEqual(words(text));
      }),
    );
  });
});

describe("the query's words in a passage", () => {
  const matches = (text: string, query: string): string[] =>
    highlight(text, query)
      .filter(({ match }) => match)
      .map((segment) => segment.text);

  test("are highlighted as whole words, in any case and language", () => {
    expect(matches("Bread rises. Breads do not; BREAD does. Brot für Über", "why does bread, über?")).toEqual([
      "Bread",
      "BREAD",
      "Über",
    ]);
  });

  test.each([
    ["the pairs of Chinese characters", "数据库连接超时时间", "数据库", ["数据库"]],
    ["pairs, also where the whole is not there", "连接数据库失败", "数据库连接", ["连接数据库"]],
    ["Japanese inside a sentence", "接続がタイムアウトしました", "タイムアウト", ["タイムアウト"]],
    ["half-width katakana", "ﾃﾞｰﾀの", "データ", ["ﾃﾞｰﾀ"]],
    ["a Korean word before a particle", "제한시간이 지났다", "제한시간", ["제한시간"]],
    ["Hangul as jamo", "\u1112\u1161\u11ab글", "한글", ["\u1112\u1161\u11ab글"]],
    ["Thai by four characters", "การใช้ภาษาไทย", "ภาษา", ["ภาษา"]],
    ["a single character", "東京都", "京", ["京"]],
    ["characters between marks", "「数据」库", "「数据」，库", ["数据", "库"]],
    ["a Latin word beside characters", "调用API接口", "api", ["API"]],
    ["composed and decomposed", "Cafe\u0301 caf\u00e9", "caf\u00e9", ["Cafe\u0301", "caf\u00e9"]],
    ["without accents", "Übergröße", "ubergrosse", ["Übergröße"]],
    ["ß and ss", "STRASSE Straße", "straße", ["STRASSE", "Straße"]],
    ["Turkish letters", "ISPARTA Isparta ısparta", "ısparta", ["ISPARTA", "Isparta", "ısparta"]],
    ["Greek sigmas", "ΟΔΟΣ οδός", "οδος", ["ΟΔΟΣ", "οδός"]],
    ["й, which is another letter than и", "война воина", "война", ["война"]],
    [
      "soft hyphens inside",
      "Kon\u00adfi\u00adgu\u00adra\u00adtion",
      "konfiguration",
      ["Kon\u00adfi\u00adgu\u00adra\u00adtion"],
    ],
    ["full width and ligatures", "ＡＰＩ con\ufb01g", "api config", ["ＡＰＩ", "con\ufb01g"]],
    ["Arabic with vowel signs and tatweel", "كِتَاب كتـــاب", "كتاب", ["كِتَاب", "كتـــاب"]],
    ["Hebrew points", "שָׁלוֹם", "שלום", ["שָׁלוֹם"]],
    ["digits of other scripts", "١٢٣ १२३", "123", ["١٢٣", "१२३"]],
    ["Vietnamese", "Tiê\u0301ng Việt", "tiếng", ["Tiê\u0301ng"]],
  ])("are highlighted as the index finds them: %s", (_, text, query, found) => {
    expect(matches(text, query)).toEqual(found);
  });

  test("are highlighted without changing the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (text, query) => {
        expect(
          highlight(text, query)
            .map((segment) => segment.text)
            .join(""),
        ).toBe(text);
      }),
    );
  });
});

describe("the notes about a stored document", () => {
  test("say what is missing and what was guessed", () => {
    const guessedEncodings = [{ name: "KOI8-R", confidence: 0.874 }];
    expect(notesOf({ leftOut: ["images (2)", "macros"], guessedEncodings, withoutVector: [3] })).toEqual([
      "Left out: images (2), macros",
      "The encoding was guessed: KOI8-R (87 % sure)",
      "Found by words only: 1 passage",
    ]);
  });

  test("are none where all is well", () => {
    expect([notesOf({}), notesOf({ leftOut: null, guessedEncodings: [], withoutVector: null })]).toEqual([[], []]);
  });
});

describe("rankings", () => {
  test("give the change of a passage's rank", () => {
    expect([rankChange(1, { retrieval_rank: 4 }), rankChange(3, { retrieval_rank: 1 })]).toEqual([3, -2]);
    expect([3, -2, 0].map(describeRankChange)).toEqual(["up 3", "down 2", "unchanged"]);
  });

  test("are linked by passage, including passages that are in one ranking only", () => {
    expect(linkRankings([{ id: 1 }, { id: 2 }, { id: 3 }], [{ id: 3 }, { id: 9 }, { id: 1 }])).toEqual([
      { id: 3, from: 2, to: 0 },
      { id: 9, from: null, to: 1 },
      { id: 1, from: 0, to: 2 },
      { id: 2, from: 1, to: null },
    ]);
  });
});

test("a link parses back into its view and query", () => {
  fc.assert(
    fc.property(fc.string(), (q) => {
      const { view, query } = parseRoute(href("models", { q }));
      expect([view, query.get("q")]).toEqual(["models", q]);
    }),
  );
  expect(parseRoute("#/nowhere").view).toBe("search");
  expect(parseRoute("").view).toBe("search");
});
