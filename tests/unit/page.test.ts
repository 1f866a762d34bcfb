import * as fc from "fast-check";
import * as fs from "node:fs";
import * as path from "node:path";
import { problemOf } from "../../applications/reference/page/src/api/errors";
import { bytes, count, highlighted, milliseconds, readable, span } from "../../applications/reference/page/src/format";
import { parseMetrics, quantile, total } from "../../applications/reference/page/src/metrics";
import { links, moved, movement } from "../../applications/reference/page/src/ranks";
import { href, parseRoute } from "../../applications/reference/page/src/route";

// The page's pure parts. What a browser makes of them is proven by tests/browser.

const root = path.resolve(__dirname, "..", "..");
const readJson = (file: string): Record<string, Record<string, unknown>> =>
  JSON.parse(fs.readFileSync(path.join(root, file), "utf8")) as Record<string, Record<string, unknown>>;

describe("what the image builds the page with", () => {
  test("is what the checkout checks it with", () => {
    const [own, checkout] = [readJson("applications/reference/page/package.json"), readJson("package.json")];
    for (const [name, version] of Object.entries({ ...own["dependencies"], ...own["devDependencies"] })) {
      expect({ name, version: checkout["devDependencies"]?.[name] }).toEqual({ name, version });
    }
  });

  test("is locked by hashes, without the address of a registry", () => {
    const { packages } = readJson("applications/reference/page/package-lock.json") as {
      packages: Record<string, { integrity?: string; resolved?: string }>;
    };
    const locked = Object.entries(packages).filter(([name]) => name !== "");
    expect(locked.length).toBeGreaterThan(2);
    expect(locked.filter(([, { integrity }]) => integrity?.startsWith("sha512-") !== true)).toEqual([]);
    expect(locked.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });
});

describe("an answer that is no success", () => {
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
  ])("%i %s says: %s", (status, text, message) => {
    expect(problemOf(status, text, null).message).toBe(message);
  });

  test("of a gateway without a server is that the server does not answer", () => {
    expect(problemOf(503, "<html>no server is available</html>", null).message).toBe("The server does not answer.");
    expect(problemOf(503, '{"detail":{"error":"The database is full"}}', null).message).toBe("The database is full");
  });

  test("that asks to wait says how long", () => {
    expect(problemOf(429, '{"detail":{"error":"16 searches wait."}}', "4").message).toBe(
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

  test("are read with their labels", () => {
    expect(total(samples, "archon_documents")).toBe(3);
    expect(total(samples, "process_start_time_seconds")).toBe(1.7e9);
    expect(samples[0]?.labels).toEqual({ le: "0.1", method: "GET", route: '/a \\"b\\" {c}' });
    expect(samples).toHaveLength(8);
  });

  test("are summed over the series that are meant", () => {
    expect(total(samples, "archon_request_seconds_bucket", { le: "+Inf" })).toBe(44);
    expect(
      total(samples, "archon_request_seconds_bucket", ({ le, method }) => le === "+Inf" && method === "POST"),
    ).toBe(4);
    expect(total(samples, "unknown")).toBeUndefined();
  });

  test("give quantiles by straight lines, the last bound for what lies above it", () => {
    expect(quantile(samples, "archon_request_seconds", 0.5, { method: "GET" })).toBeCloseTo(0.15);
    expect(quantile(samples, "archon_request_seconds", 0.25, { method: "GET" })).toBeCloseTo(0.1);
    expect(quantile(samples, "archon_request_seconds", 0.95, { method: "GET" })).toBe(0.2);
    expect(quantile(samples, "archon_request_seconds", 0.5, { method: "POST" })).toBe(0.2);
    expect(quantile(samples, "archon_request_seconds", 0.5, { method: "PUT" })).toBeUndefined();
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
])("%s bytes are %s", (value, text) => {
  expect(bytes(value)).toBe(text);
});

test("times and counts are as people say them", () => {
  expect([0.27, 31.4, 1234, 28_000].map(milliseconds)).toEqual(["0.3 ms", "31 ms", "1.2 s", "28 s"]);
  expect([48, 61, 7380, 90_000].map(span)).toEqual(["48 s", "1 min", "2 h 3 min", "1 d 1 h"]);
  expect([count(1, "passage"), count(1200, "passage")]).toEqual(["1 passage", "1,200 passages"]);
});

describe("a passage as it is read", () => {
  test.each([
    [
      "joins the lines of a paragraph",
      "One line\nand another.\n\nA new\nparagraph.",
      "",
      "One line and another.\n\nA new paragraph.",
    ],
    [
      "keeps what means something by itself",
      "Do:\n- a\n- b\n1. c\n| t |\n> q\n# h\n  indented",
      "",
      "Do:\n- a\n- b\n1. c\n| t |\n> q\n# h\n  indented",
    ],
    ["keeps code", "See\nthis\n```sh\na\nb\n```\nand\nthat", "", "See this\n```sh\na\nb\n```\nand that"],
    ["keeps code that the passage ends in", "```\na\nb", "", "```\na\nb"],
    [
      "leaves out the heading that stands above it",
      "## Models\n\nA model\nis read.",
      "Guide > Models",
      "A model is read.",
    ],
    ["keeps another heading, and one without a text", "## Models", "Guide > Models", "## Models"],
  ])("%s", (_, text, headings, expected) => {
    expect(readable(text, headings)).toBe(expected);
  });

  test("loses no word", () => {
    const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "-", "`", "#", "1.", "|") }), (text) => {
        expect(words(readable(text, ""))).toEqual(words(text));
      }),
    );
  });
});

describe("the question's words in a passage", () => {
  const hits = (text: string, query: string): string[] =>
    highlighted(text, query)
      .filter(({ hit }) => hit)
      .map((piece) => piece.text);

  test("are found whole, in any case and language", () => {
    expect(hits("Bread rises. Breads do not; BREAD does. Brot für Über", "why does bread, über?")).toEqual([
      "Bread",
      "BREAD",
      "Über",
    ]);
  });

  test("never change the text, whatever is in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (text, query) => {
        expect(
          highlighted(text, query)
            .map((piece) => piece.text)
            .join(""),
        ).toBe(text);
      }),
    );
  });
});

describe("ranks", () => {
  test("tell how far reranking moved a passage", () => {
    expect([
      moved(1, { id: 7, retrieval_rank: 4 }),
      moved(3, { id: 7, retrieval_rank: 1 }),
      moved(2, { id: 7 }),
    ]).toEqual([3, -2, undefined]);
    expect([3, -2, 0].map(movement)).toEqual(["up 3", "down 2", "stays"]);
  });

  test("join the places of both lists, also of what is in one only", () => {
    expect(links([{ id: 1 }, { id: 2 }, { id: 3 }], [{ id: 3 }, { id: 9 }, { id: 1 }])).toEqual([
      { id: 3, from: 2, to: 0 },
      { id: 9, from: null, to: 1 },
      { id: 1, from: 0, to: 2 },
      { id: 2, from: 1, to: null },
    ]);
  });
});

test("an address gives back the view and the question that it was made of", () => {
  fc.assert(
    fc.property(fc.string(), (q) => {
      const { view, query } = parseRoute(href("models", { q }));
      expect([view, query.get("q")]).toEqual(["models", q]);
    }),
  );
  expect(parseRoute("#/nowhere").view).toBe("search");
  expect(parseRoute("").view).toBe("search");
});
