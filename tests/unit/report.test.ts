import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { rowsOf as fetchRows } from "../../commands/bench/fetch";
import { parseDisk, type BenchMachine } from "../../commands/bench/machine";
import { rowsOf as relevanceRows } from "../../commands/bench/relevance";
import { describeResult, keepResult, lastResult, type BenchResult } from "../../commands/bench/result";
import { rowsOf as rollbackRows, type MeasuredRollback } from "../../commands/bench/rollback";
import { BAKED, STORED } from "../../commands/bench/store";
import { parseEngineUse } from "../../commands/report/engine-use";
import { svgReport } from "../../commands/report/figure";
import { describeReport, markdownReport } from "../../commands/report/format";
import type { Report } from "../../commands/report/report";
import { timesOfHistory, timesOfState } from "../../commands/report/times";

// That engine, state and servers say such things, tests/engine/doctor.test.ts shows.

const machine: BenchMachine = {
  processor: "Some CPU",
  cores: 2,
  memoryBytes: 24e9,
  disk: { fileSystem: "ext4", device: "/dev/vda", bytes: 271e9 },
  operatingSystem: "Debian GNU/Linux 12",
  kernel: "6.1.0",
  architecture: "x86_64",
  engine: "20.10.24",
  storageDriver: "overlay2",
};
const result: BenchResult = {
  benchmark: "store",
  measured: "2026-11-29T12:00:00.000Z",
  commit: "0123456789abcdef0123456789abcdef01234567-dirty",
  machine,
  rows: [
    { what: "first time", unit: "s", values: { [BAKED]: 111.04, [STORED]: 31.2, ratio: 3.56 } },
    { what: "image to move to a host", unit: "MB", values: { [BAKED]: 6740, [STORED]: 226, ratio: 29.8 } },
  ],
};

test("a rollback is measured apart from the start of the server", () => {
  const second = 1_800_000_000_000;
  const at = (seconds: number): string => new Date(second + seconds * 1000).toISOString();
  const resource = (name: string, type: string, created: string): object => ({
    urn: `urn:pulumi:dev::archon::${type}::${name}`,
    type,
    created,
  });
  const measured = (offset: number): MeasuredRollback => ({
    began: second + offset * 1000,
    ended: second + (offset + 12) * 1000,
    state: JSON.stringify({
      deployment: {
        resources: [
          resource("archon-server-0", "docker:index/container:Container", at(offset + 3)),
          resource("archon-server-0-ready", "command:local:Command", at(offset + 10)),
        ],
      },
    }),
  });
  expect(rollbackRows(measured(0), measured(60)).map(({ values }) => values)).toEqual([
    { back: 3, forward: 3 },
    { back: 7, forward: 7 },
    { back: 2, forward: 2 },
    { back: 12, forward: 12 },
  ]);
  const unchanged = { ...measured(0), began: second + 11_000 };
  expect(() => rollbackRows(unchanged, measured(60))).toThrow("has replaced no server");
});

describe("the result of a benchmark", () => {
  test("is a table without quotes and numbers of rows, and below it the machine and the commit", () => {
    expect(describeResult(result)).toEqual([
      "                         baked into the image  in the store  ratio",
      "first time                                111          31.2   3.56  s",
      "image to move to a host                  6740           226   29.8  MB",
      "",
      "Some CPU, 2 cores · 24.0 GB of memory · ext4 on /dev/vda, 271 GB · Linux 6.1.0 · Docker 20.10.24 (overlay2)",
      "Measured 2026-11-29T12:00:00.000Z at commit 0123456789-dirty",
    ]);
  });

  test("is kept for every checkout of the machine, and one of another format is none", () => {
    const before = process.env.ARCHON_CACHE;
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "report-"));
    process.env.ARCHON_CACHE = directory;
    try {
      expect(lastResult("store")).toBeUndefined();
      keepResult(result);
      expect(lastResult("store")).toEqual(result);
      expect(lastResult("server")).toBeUndefined();
      fs.writeFileSync(path.join(directory, "bench", "store.json"), '{"rows":[]}');
      expect(lastResult("store")).toBeUndefined();
    } finally {
      if (before === undefined) {
        delete process.env.ARCHON_CACHE;
      } else {
        process.env.ARCHON_CACHE = before;
      }
      fs.rmSync(directory, { recursive: true });
    }
  });

  test("of the download is its last line; sizes are in megabytes", () => {
    const figures = {
      throughput: { bytes: 1, runs: [], ratio: 0.97, peak: 50e6 },
      resume: { kills: 50, downloads: 7, again: 100e6, worst: 9e6, peak: 60e6 },
    };
    const rows = fetchRows(`run 1: fetch 3 s\n${JSON.stringify(figures)}\n`);
    expect(rows.map(({ values, unit }) => `${values["measured"]} ${unit}`)).toEqual([
      "0.97 ×",
      "60 MB",
      "50 ",
      "2 MB",
      "9 MB",
    ]);
  });

  test("of relevance has a row for each group of questions and measure", () => {
    const order = { ndcg10: 0.8, mrr: 0.7 };
    const rows = [{ group: "held out", questions: 40, retrieval: order, reranked: { ndcg10: 0.9, mrr: 0.85 } }];
    const printed = JSON.stringify([
      { model: "local/demo", revision: "1", seconds_per_question: 0.12, rows, error: null },
    ]);
    expect(relevanceRows(printed)).toEqual([
      { what: "local/demo, held out (40), NDCG@10", unit: "", values: { retrieval: 0.8, reranked: 0.9 } },
      { what: "local/demo, held out (40), MRR", unit: "", values: { retrieval: 0.7, reranked: 0.85 } },
      { what: "local/demo, a question of up to 50 candidates", unit: "s", values: { reranked: 0.12 } },
    ]);
  });

  test("names the file system of the engine, or none", () => {
    expect(parseDisk("Type  Filesystem     1B-blocks\next4  /dev/vda    270553174016\n")).toEqual({
      fileSystem: "ext4",
      device: "/dev/vda",
      bytes: 270553174016,
    });
    expect(parseDisk("")).toBeNull();
  });
});

test("what the engine keeps is read from sizes for people", () => {
  const printed =
    '{"Active":"6","Reclaimable":"1.8GB (90%)","Size":"2.05GB","TotalCount":"18","Type":"Images"}\n' +
    '{"Active":"0","Reclaimable":"0B","Size":"512.5kB","TotalCount":"3","Type":"Build Cache"}\n';
  expect(parseEngineUse(printed)).toEqual([
    { kind: "Images", count: 18, bytes: 2.05e9 },
    { kind: "Build Cache", count: 3, bytes: 512_500 },
  ]);
});

describe("times", () => {
  const urn = (name: string): string => `urn:pulumi:dev::archon::${name}`;
  const resource = (name: string, type: string, created: string, parent?: string): object => ({
    urn: urn(name),
    type,
    created: `2026-11-29T12:00:${created}Z`,
    ...(parent === undefined ? {} : { parent: urn(parent) }),
  });

  test("of builds, downloads and starts are between what the state records; what cannot be told is left out", () => {
    const resources = [
      resource("image-1", "archon:index:Image", "00"),
      resource("image-1-built", "docker:index/remoteImage:RemoteImage", "12.5", "image-1"),
      resource("model-1", "archon:index:ModelSnapshot", "01"),
      resource("model-1-fetch", "command:local:Command", "04", "model-1"),
      resource("archon-server-0", "docker:index/container:Container", "20"),
      resource("archon-server-0-ready", "command:local:Command", "27"),
      resource("archon-server-1-ready", "command:local:Command", "28"),
      { urn: urn("image-2"), type: "archon:index:Image" },
    ];
    const times = timesOfState(JSON.stringify({ deployment: { resources } }));
    expect(times.map(({ what, seconds }) => [what, seconds])).toEqual([
      ["build of image-1", 12.5],
      ["fetch of model-1", 3],
      ["start of archon-server-0 until it answered", 7],
    ]);
    expect(timesOfState("{}")).toEqual([]);
  });

  test("of updates are those of the last one that changed something, and of the last one that was pinned", () => {
    const update = (start: string, end: string, more: object = {}): object => ({
      kind: "update",
      result: "succeeded",
      startTime: `2026-11-29T${start}.000Z`,
      endTime: `2026-11-29T${end}.000Z`,
      config: {},
      resourceChanges: { create: 2, same: 9 },
      ...more,
    });
    const history = [
      update("15:00:00", "15:00:03", { resourceChanges: { same: 11 } }),
      update("14:00:00", "14:01:00", { result: "failed" }),
      update("13:00:00", "13:00:09", { config: { "archon:release": { value: "0123456789ab" } } }),
      update("12:00:00", "12:00:31"),
    ];
    expect(timesOfHistory(JSON.stringify(history), "archon:release")).toEqual([
      { what: "last update", seconds: 31, ended: "2026-11-29T12:00:31.000Z" },
      { what: "last rollback", seconds: 9, ended: "2026-11-29T13:00:09.000Z" },
    ]);
    expect(timesOfHistory("[]", "archon:release")).toEqual([]);
  });
});

describe("the report", () => {
  const report: Report = {
    stack: "dev",
    measured: "2026-11-29T12:00:00.000Z",
    release: "0123456789ab",
    application: "reference",
    image: {
      reference: "archon-server:1",
      bytes: 226e6,
      layers: [
        { bytes: 226e6, instruction: "RUN pip | install" },
        { bytes: 12, instruction: "ENV A=1" },
      ],
    },
    roles: [],
    environment: { key: "abc", bytes: 5.5e9 },
    models: [{ name: "demo", snapshot: "local/demo@1", bytes: 4e6 }],
    engine: [
      { kind: "Images", count: 3, bytes: 2e9 },
      { kind: "Build Cache", count: 9, bytes: 1e9 },
    ],
    times: [{ what: "build of archon-server-image", seconds: 31, ended: "2026-11-29T12:00:00.000Z" }],
    sharing: {
      trees: [
        { name: "envs/abc", bytes: 5.5e9 },
        { name: "envs/def", bytes: 5.5e9 },
      ],
      together: 5.6e9,
    },
    memory: {
      servers: [
        { name: "s-0", rss: 600e6, pss: 400e6 },
        { name: "s-1", rss: 600e6, pss: 400e6 },
      ],
    },
    savings: result,
  };

  test("shows the figures beside those before, and leaves layers of nothing out", () => {
    const text = describeReport(report).join("\n");
    expect(text).toMatch(/image of the server +25\.4 GB +2 GB +226 MB/);
    expect(text).toMatch(/all of Docker +136 GB +20 GB +3\.00 GB/);
    expect(text).toMatch(/build +12 min +3 min +31 s/);
    expect(text).not.toContain("ENV A=1");
    expect(text).toMatch(/image to move to a host +6740 MB +226 MB +97 %/);
    expect(text).toMatch(/each by itself +11\.0 GB\n +together, hard links once +5\.60 GB/);
    expect(text).toContain("The processes share 400 MB");
  });

  test("of another application than Archon's shows no figures of before", () => {
    const text = describeReport({ ...report, application: "python" }).join("\n");
    expect(text).toMatch(/figure +now\n/);
    expect(text).toMatch(/image of the server +226 MB/);
    expect(text).not.toMatch(/25\.4 GB|before/);
  });

  test("without a benchmark names the command that measures the savings", () => {
    expect(describeReport({ ...report, savings: null }).join("\n")).toContain("`./archon bench store`");
  });

  test("is tables in Markdown, whatever is in a cell", () => {
    const lines = markdownReport(report);
    expect(lines).toContain("| layer | RUN pip \\| install | 226 MB |");
    const pipes = (row: string): number => row.replaceAll("\\|", "").split("|").length;
    lines.forEach((row, index) => {
      if (row.startsWith("| ---")) {
        expect(pipes(lines[index + 1] ?? "")).toBe(pipes(row));
      }
    });
  });

  test("is an image of pairs of bars, the longer one across the whole width", () => {
    const svg = svgReport({ ...report, stack: "a<b&c" });
    expect(svg).toContain("Stack a&lt;b&amp;c, release 0123456789ab");
    expect(svg.match(/<rect class="bar0"/g)).toHaveLength(4);
    expect(svg).toMatch(/<rect class="bar0" x="\d+" y="\d+" width="408\.0"/);
    expect(svg).toContain(">5.60 GB</text>");
  });
});
