import type * as automation from "@pulumi/pulumi/automation";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { ArchonClient, type Document } from "../../commands/start/archon-client";
import { describeChanges, describeEvent } from "../../commands/start/deploy";
import { parseOutputs, type StackOutputs } from "../../commands/start/outputs";
import { describeAnswer, describeDeployment, describeTimes } from "../../commands/start/report";
import { directorySize } from "../../commands/start/sizes";
import { silent } from "../../commands/lib/progress";
import { releaseStaleLocks } from "../../commands/lib/state-lock";

// A loopback server with the reference server's x

const document: Document = {
  filename: "about.md",
  content: "# About\n\nA text.\n",
  contentTag: "sha256:0123456789abcdef",
};

describe("the client of the server", () => {
  interface Call {
    line: string;
    body: string;
    authorization: string | undefined;
  }
  let calls: Call[];
  let replies: Record<string, [status: number, body: unknown][]>;
  let server: http.Server;
  let client: ArchonClient;

  beforeEach(async () => {
    calls = [];
    replies = {};
    server = http.createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (chunk: string) => (body += chunk));
      request.on("end", () => {
        const line = `${request.method} ${request.url?.split("?")[0]}`;
        calls.push({ line, body, authorization: request.headers.authorization });
        const queue = replies[line] ?? [];
        const [status, reply] = (queue.length > 1 ? queue.shift() : queue[0]) ?? [404, { detail: "Not Found" }];
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(reply));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    client = new ArchonClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined);
  });

  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const item = (source_id: string, tag: string, file_name = document.filename): object => ({
    source_id,
    metadata: { file_name, tags: [tag] },
  });

  test("waits for the server to become healthy", async () => {
    replies["GET /health"] = [
      [503, { status: "initializing" }],
      [503, { status: "initializing" }],
      [200, { status: "healthy" }],
    ];
    await client.waitUntilHealthy();
    expect(calls).toHaveLength(3);
  });

  test("uploads a document that the server does not know, and waits until it does", async () => {
    const updates: [number, number, string][] = [];
    replies["GET /api/knowledge-items"] = [[200, { items: [item("other", document.contentTag, "other.md")] }]];
    replies["POST /api/documents/upload"] = [[200, { success: true, progressId: "p 1" }]];
    replies["GET /api/progress/p%201"] = [
      [200, { status: "storing", progress: 40, message: "storing chunks" }],
      [200, { status: "completed", progress: 100 }],
    ];
    const progress = { ...silent, update: (...update: [number, number, string]) => updates.push(update) };
    expect(await client.ensureDocument(document, progress)).toBe(true);
    expect(updates).toEqual([
      [40, 100, "storing chunks"],
      [100, 100, "completed"],
    ]);
    const upload = calls.find(({ line }) => line.startsWith("POST"))?.body ?? "";
    expect(upload).toContain('name="file"; filename="about.md"');
    expect(upload).toContain(document.content);
    expect(upload).toContain('["sha256:0123456789abcdef"]');
  });

  test("leaves a document alone that the server knows", async () => {
    replies["GET /api/knowledge-items"] = [[200, { items: [item("known", document.contentTag)] }]];
    expect(await client.ensureDocument(document, silent)).toBe(false);
    expect(calls.map(({ line }) => line)).toEqual(["GET /api/knowledge-items"]);
  });

  test("replaces another version of the document, and removes what an interrupted run doubled", async () => {
    replies["GET /api/knowledge-items"] = [
      [
        200,
        {
          items: [item("old/1", "sha256:old"), item("known", document.contentTag), item("twice", document.contentTag)],
        },
      ],
    ];
    replies["DELETE /api/knowledge-items/old%2F1"] = [[200, { success: true }]];
    replies["DELETE /api/knowledge-items/twice"] = [[200, { success: true }]];
    expect(await client.ensureDocument(document, silent)).toBe(false);
    expect(calls.map(({ line }) => line).slice(1)).toEqual([
      "DELETE /api/knowledge-items/old%2F1",
      "DELETE /api/knowledge-items/twice",
    ]);
  });

  test("finds an upload out that another replica took", async () => {
    replies["GET /api/knowledge-items"] = [
      [200, { items: [] }],
      [200, { items: [] }],
      [200, { items: [item("new", document.contentTag)] }],
    ];
    replies["POST /api/documents/upload"] = [[200, { progressId: "p" }]];
    replies["GET /api/progress/p"] = [[404, { detail: { error: "Operation p not found" } }]];
    expect(await client.ensureDocument(document, silent)).toBe(true);
  });

  test("says why a document was not taken", async () => {
    replies["GET /api/knowledge-items"] = [[200, { items: [] }]];
    replies["POST /api/documents/upload"] = [[200, { progressId: "p" }]];
    replies["GET /api/progress/p"] = [[200, { status: "error", error: "not a text" }]];
    await expect(client.ensureDocument(document, silent)).rejects.toThrow(
      "The server could not take about.md: not a text. `docker ps ",
    );
  });

  test.each([
    [{ detail: "Query cannot be empty" }, "Query cannot be empty"],
    [{ detail: { error: "database is locked" } }, "database is locked"],
    [{ detail: [{ loc: ["body"] }] }, '{"detail":[{"loc":["body"]}]}'],
  ])("repeats the server's own words: %j", async (reply, words) => {
    replies["POST /api/rag/query"] = [[422, reply]];
    await expect(client.search("x", 1)).rejects.toThrow(
      `/api/rag/query: the server answered 422: ${words}. \`docker ps `,
    );
  });

  test("says that nobody answers", async () => {
    await expect(new ArchonClient("http://127.0.0.1:9", undefined).search("x", 1)).rejects.toThrow(
      /^POST http:\/\/127\.0\.0\.1:9\/api\/rag\/query: no answer: .+\. `docker ps /,
    );
  });

  test("sends the token with every request, and none without one", async () => {
    replies["POST /api/rag/query"] = [[200, { results: [], reranking_applied: true }]];
    const { port } = server.address() as AddressInfo;
    await new ArchonClient(`http://127.0.0.1:${port}`, "secret").search("what?", 3);
    await client.search("what?", 3);
    expect(calls.map(({ authorization }) => authorization)).toEqual(["Bearer secret", undefined]);
    expect(JSON.parse(calls[0]?.body ?? "")).toEqual({ query: "what?", match_count: 3 });
  });
});

describe("events of an update", () => {
  const urnOf = (type: string, name: string): string =>
    `urn:pulumi:dev::archon::archon:index:Deployment$${type}::${name}`;
  const step = (op: string, type: string, name: string): { metadata: automation.StepEventMetadata } => ({
    metadata: { op, type, urn: urnOf(type, name) } as automation.StepEventMetadata,
  });
  const server = ["docker:index/container:Container", "archon-server-0"] as const;
  const diagnostic = (severity: automation.DiagnosticEvent["severity"], message: string, urn?: string): object => ({
    diagnosticEvent: { severity, message, urn, color: "never" },
  });

  test.each<[string, object, ReturnType<typeof describeEvent>]>([
    ["a resource that does not change begins", { resourcePreEvent: step("same", ...server) }, undefined],
    ["a resource that does not change is finished", { resOutputsEvent: step("same", ...server) }, undefined],
    ["a component is created", { resOutputsEvent: step("create", "archon:index:Service", "archon-server") }, undefined],
    [
      "a creation begins",
      { resourcePreEvent: step("create", ...server) },
      { text: "docker:index/container:Container archon-server-0", lasting: false },
    ],
    [
      "a creation is finished",
      { resOutputsEvent: step("create", ...server) },
      { text: "docker:index/container:Container archon-server-0 created", lasting: true },
    ],
    [
      "a replacement is created",
      { resOutputsEvent: step("create-replacement", ...server) },
      { text: "docker:index/container:Container archon-server-0 created anew", lasting: true },
    ],
    [
      "the replaced resource is deleted",
      { resOutputsEvent: step("delete-replaced", ...server) },
      { text: "docker:index/container:Container archon-server-0 deleted", lasting: true },
    ],
    [
      "an operation fails",
      { resOpFailedEvent: step("create", ...server) },
      { text: "docker:index/container:Container archon-server-0 failed (create)", lasting: true },
    ],
    [
      "a job prints a line",
      diagnostic("info#err", "installing torch\n", urnOf("command:local:Command", "archon-environment-populate")),
      { text: "command:local:Command archon-environment-populate: installing torch", lasting: false },
    ],
    [
      "a resource has an error",
      diagnostic("error", "port is taken", urnOf(...server)),
      { text: "docker:index/container:Container archon-server-0: port is taken", lasting: true },
    ],
    ["the engine has an error", diagnostic("error", "update failed", ""), { text: "update failed", lasting: true }],
    ["a message is empty", diagnostic("error", "\n"), undefined],
    ["the update begins", { preludeEvent: { config: {} } }, undefined],
  ])("%s", (_, event, expected) => {
    expect(describeEvent(event as automation.EngineEvent)).toEqual(expected);
  });

  test.each([
    [{ create: 3, update: 1, replace: 2, same: 12 }, "3 created, 1 updated, 2 replaced, 12 unchanged"],
    [{ delete: 1, same: 3 }, "1 deleted, 3 unchanged"],
    [{ same: 15 }, "no changes"],
    [{}, ""],
  ])("are counted: %j", (counts, expected) => {
    expect(describeChanges(counts)).toBe(expected);
  });
});

test("only locks of processes of this machine that have ended are removed", () => {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), "locks-"));
  const locks = path.join(state, ".pulumi", "locks", "organization", "archon", "dev");
  const messages: string[] = [];
  const progress = { ...silent, message: (line: string) => messages.push(line) };
  const gone = 2 ** 22 + 1; // beyond the largest process id of Linux
  try {
    releaseStaleLocks("dev", progress, state);
    fs.mkdirSync(locks, { recursive: true });
    const lock = (name: string, pid: number, hostname: string): void => {
      const holder = { pid, hostname, username: "me", timestamp: new Date().toISOString() };
      fs.writeFileSync(path.join(locks, `${name}.json`), JSON.stringify(holder));
    };
    lock("gone", gone, os.hostname());
    lock("alive", process.pid, os.hostname());
    lock("elsewhere", gone, "another-host");
    fs.writeFileSync(path.join(locks, "gone.json.attrs"), "{}");
    releaseStaleLocks("dev", progress, state);
    expect(fs.readdirSync(locks).sort()).toEqual(["alive.json", "elsewhere.json"]);
    expect(messages).toEqual([`Removed the lock of an update that was killed (process ${gone}).`]);
  } finally {
    fs.rmSync(state, { recursive: true });
  }
});

describe("what is printed", () => {
  const outputs: StackOutputs = {
    url: "http://127.0.0.1:8181",
    release: "r-0123456789ab",
    environment: { key: "e-0123456789ab", path: "/var/lib/archon/envs/e-0123456789ab" },
    images: { server: "archon-server:0123456789abcdef" },
    models: [{ name: "demo", repo: "local/demo", revision: "0123456789abcdef0123456789abcdef01234567" }],
  };

  test("names the outputs that are missing", () => {
    expect(parseOutputs({ ...outputs })).toEqual(outputs);
    expect(() => parseOutputs({ url: "http://127.0.0.1:8181" })).toThrow(
      "The stack has no output release, environment, images, models. Run `./archon pulumi up`",
    );
  });

  test("is the best passage and the ranking, within the width", () => {
    const results = [
      { content: "The old one\nsimply goes on.", similarity_score: 0.433, rerank_score: 0.99671 },
      { content: "word ".repeat(100), similarity_score: 0.5, rerank_score: null },
    ];
    expect(describeAnswer("What then?", { results, reranking_applied: true, seconds: 0.042 }, 60)).toEqual([
      "Question  What then?",
      "Answer    in 42 ms, rerank score 0.9967:",
      "    The old one simply goes on.",
      "",
      "  #  rerank  search  passage",
      "  1  0.9967  0.4330  The old one simply goes on.",
      "  2       –  0.5000  word word word word word word wor…",
    ]);
  });

  test("says when nothing was found", () => {
    expect(describeAnswer("What?", { results: [], reranking_applied: false, seconds: 0 }, 80)).toEqual([
      "Question  What?",
      "Answer    nothing was found",
    ]);
  });

  test("has sizes where they are known", () => {
    expect(
      describeDeployment(outputs, {
        image: 912_000_000,
        environment: 5_510_000_000,
        models: new Map([["demo", undefined]]),
      }),
    ).toEqual([
      "Server       http://127.0.0.1:8181",
      "Release      r-0123456789ab",
      "Image        archon-server:0123456789abcdef   912 MB",
      "Environment  e-0123456789ab                  5.51 GB",
      "Model        demo: local/demo@0123456789ab",
    ]);
  });

  test("sums the times of the steps", () => {
    expect(
      describeTimes([
        { title: "Deployment", milliseconds: 41_000 },
        { title: "Search", milliseconds: 100 },
      ]),
    ).toBe("Deployment 41 s · Search 0.1 s · total 41 s");
  });

  test("counts files, not links, and nothing where it may not look", () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "sizes-"));
    try {
      fs.mkdirSync(path.join(directory, "a"));
      fs.writeFileSync(path.join(directory, "a", "b"), "12345");
      fs.symlinkSync("a/b", path.join(directory, "c"));
      expect(directorySize(directory)).toBe(5);
      expect(directorySize(path.join(directory, "absent"))).toBeUndefined();
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
});
