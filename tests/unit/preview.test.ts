import fc from "fast-check";
import * as fs from "node:fs";
import * as path from "node:path";
import { parsePreview } from "../../commands/preview/document";
import { commentLimit, markdownPreview, marker } from "../../commands/preview/markdown";
import { hidden, redact, secretsOf } from "../../commands/preview/redact";
import { checkoutSizes, installedBytes } from "../../commands/preview/run";
import { actions, summarise, type Change, type PreviewSummary } from "../../commands/preview/summary";
import { describePreview, fetchTotal, releaseLine } from "../../commands/preview/format";
import { changesOf, summaryOf } from "../support/preview-summary";

// The previews were recorded on a real engine; tests/engine/previews.test.ts compares them with new ones.

const directory = path.join(__dirname, "..", "fixtures", "previews");
const recorded = (name: string): string => fs.readFileSync(path.join(directory, `${name}.json`), "utf8");
const summary = (name: string): PreviewSummary => summaryOf(recorded(name));
const reasons = (name: string, what: string): string[] =>
  summary(name)
    .changes.filter((change) => change.what.startsWith(what))
    .flatMap((change) => change.reasons);

describe("a recorded preview", () => {
  test("of a new stack", () => {
    expect(changesOf(summary("new")).sort()).toEqual([
      "create API token",
      "create directories of the store",
      "create gateway of the service server",
      "create network of the containers",
      "create server archon-server-0",
      "fetch environment",
      "fetch model local/demo",
      "make image archon-bootstrap",
      "make image archon-gateway",
      "make image archon-server",
      "remove what no kept release needs",
    ]);
    expect(summary("new")).toMatchObject({
      release: { current: undefined },
      downtime: { expected: false, reasons: ["nothing serves yet"] },
      problems: [],
    });
    expect(fetchTotal(summary("new"))).toBe("at most 3.19 MB");
  });

  test("without changes", () => {
    const { changes, release, unchanged } = summary("unchanged");
    expect(changes).toEqual([]);
    expect(unchanged).toBeGreaterThan(10);
    expect(releaseLine(summary("unchanged"))).toBe(`${release.current}, as now`);
    expect(describePreview(summary("unchanged"))[0]).toBe("No changes to test.");
  });

  test("of a changed server", () => {
    expect(changesOf(summary("server"))).toEqual([
      "make image archon-server",
      "replace server archon-server-0",
      "remove what no kept release needs",
    ]);
    expect(reasons("server", "server")).toEqual([
      expect.stringMatching(/^image [0-9a-f]{16} → [0-9a-f]{16}$/),
      "release",
    ]);
    expect(releaseLine(summary("server"))).toMatch(/^[0-9a-f]{12} → [0-9a-f]{12}$/);
    expect(summary("server").downtime.expected).toBe(false);
  });

  test("of another environment, whose lock has no sizes", () => {
    expect(changesOf(summary("environment"))).toEqual([
      "fetch environment",
      "replace server archon-server-0",
      "remove what no kept release needs",
    ]);
    expect(reasons("environment", "server")).toEqual([
      expect.stringMatching(/^environment [0-9a-f]{16} → [0-9a-f]{16}$/),
      "release",
    ]);
    expect(fetchTotal(summary("environment"))).toBe("1 of unknown size");
  });

  test("of a rollback: only the server is replaced, nothing is built or fetched", () => {
    expect(changesOf(summary("rollback"))).toEqual(["replace server archon-server-0"]);
    expect(fetchTotal(summary("rollback"))).toBe("nothing");
    expect(summary("rollback").release.next).toBe(summary("server").release.current);
  });

  test("of more models and a token", () => {
    expect(changesOf(summary("models-and-token")).sort()).toEqual([
      "create API token",
      "fetch model Org/Name",
      "fetch model local/demo",
      "remove image archon-server",
      "remove what no kept release needs",
      "replace server archon-server-0",
    ]);
    expect(reasons("models-and-token", "model Org/Name")).toEqual(["from https://huggingface.co"]);
    expect(releaseLine(summary("models-and-token"))).toMatch(/^[0-9a-f]{12} → [0-9a-f]{12}$/);
    expect(fetchTotal(summary("models-and-token"))).toBe("at most 3.13 MB, and 1 of unknown size");
  });

  test("of a token alone: the servers that get it are reported, though Pulumi does not see them", () => {
    const { steps, ...rest } = JSON.parse(recorded("models-and-token")) as { steps: { urn: string }[] };
    const unseen = steps.filter(({ urn }) => !/::archon-server-0(-ready)?$|-drain$/.test(urn));
    expect(changesOf(summaryOf(JSON.stringify({ ...rest, steps: unseen })))).toContain("replace servers");
  });

  test("of another port: the gateway is removed before its successor is ready", () => {
    expect(summary("port").downtime).toEqual({
      expected: true,
      reasons: [
        expect.stringMatching(
          /^gateway of the service server is removed before its successor is ready \(port 127\.0\.0\.1:\d+ → 127\.0\.0\.1:\d+\)$/,
        ),
      ],
    });
    expect(reasons("port", "server")).toEqual(["memory limit in MiB 1024 → 512"]);
  });

  test("of a rollout that replaces", () => {
    expect(summary("replace").downtime).toEqual({
      expected: true,
      reasons: ["the old servers stop before the new ones are ready (archon:rollout is replace)"],
    });
  });

  test("after an update that failed", () => {
    expect(changesOf(summary("after-a-failure"))).toEqual(
      expect.arrayContaining(["make image archon-server", "replace server archon-server-0"]),
    );
    expect(summary("after-a-failure").downtime.expected).toBe(false);
  });

  test.each([
    ["refused", ["archon:root: must be an absolute path", "archon:retain: must be at least 2"]],
    ["unknown-release", ["archon:release: there is no such release"]],
  ])("that is %s shows the problems and nothing else", (name, problems) => {
    const text = describePreview(summary(name)).join("\n");
    problems.forEach((problem) => expect(text).toContain(problem));
    expect(text).not.toContain("Downtime");
    expect(markdownPreview(summary(name))).toContain("### The update of test would fail");
  });
});

test("an image that the engine has is not reported as built, an environment that the store has not as fetched", () => {
  const made = (types: string, inputs: object): object => ({
    op: "create",
    urn: `urn:pulumi:test::archon::archon:index:${types}::it`,
    newState: { inputs },
  });
  const reference = { name: "archon-server:t" };
  const job = (args: string): object => ({ environment: { ONE_SHOT_ARGS: args } });
  const steps = [
    made("Image$docker:index/remoteImage:RemoteImage", { ...reference, build: {} }),
    made("Image$docker:index/remoteImage:RemoteImage", reference),
    made("Environment$command:local:Command", job("verify\n--store\n/store\nenvs/k")),
    made("ModelSnapshot$command:local:Command", job(`verify\n--store\n/store\nmodels/Org/Name@${"a".repeat(40)}`)),
  ];
  const { changes } = summarise(parsePreview(JSON.stringify({ steps }), "FILE"), "test", {
    environment: () => 1,
    directory: () => 1,
  });
  expect(changes.map(({ action, what, reasons: why }) => [action, what, ...why])).toEqual([
    ["build", "image archon-server:t"],
    ["create", "image archon-server:t", "already in the engine"],
    ["create", "environment k", "already in the store"],
    ["create", "model Org/Name@aaaaaaaaaaaa", "already in the store"],
  ]);
});

test("what an update only waits for or records is not shown; what nobody knows yet is", () => {
  const step = (types: string, name: string): object => ({
    op: "create",
    urn: `urn:pulumi:test::archon::archon:index:Deployment$${types}::${name}`,
    newState: { inputs: {} },
  });
  const steps = [
    step("archon:index:Proof$command:local:Command", "archon-proof"),
    step("archon:index:Hold$command:local:Command", "archon-hold"),
    step("aws:s3:Bucket", "archon-bucket"),
  ];
  expect(
    summarise(parsePreview(JSON.stringify({ steps }), "FILE"), "test", {
      environment: () => undefined,
      directory: () => undefined,
    }).changes,
  ).toEqual([{ action: "create", what: "archon-bucket (aws:s3:Bucket)", reasons: [] }]);
});

test.each(["", "{", '{"steps":[{"op":1}]}'])("what is no preview is refused: %j", (text) => {
  expect(() => parsePreview(text, "FILE")).toThrow(/^FILE is not/);
});

describe("the comment", () => {
  const change: fc.Arbitrary<Change> = fc.record({
    action: fc.constantFrom(...actions),
    what: fc.string({ unit: "grapheme", maxLength: 300 }),
    reasons: fc.array(fc.string({ maxLength: 200 }), { maxLength: 5 }),
    bytes: fc.option(fc.nat(), { nil: undefined }),
  });
  const any: fc.Arbitrary<PreviewSummary> = fc.record({
    stack: fc.string({ maxLength: 40 }),
    release: fc.record({
      current: fc.option(fc.string({ maxLength: 12 }), { nil: undefined }),
      next: fc.option(fc.string({ maxLength: 12 }), { nil: undefined }),
    }),
    changes: fc.array(change, { maxLength: 2000 }),
    unchanged: fc.nat(),
    downtime: fc.record({ expected: fc.boolean(), reasons: fc.array(fc.string(), { maxLength: 5 }) }),
    problems: fc.array(fc.string({ maxLength: 5000 }), { maxLength: 30 }),
    warnings: fc.array(fc.string({ maxLength: 5000 }), { maxLength: 30 }),
  });

  test("starts with its marker and is never longer than GitHub takes, whatever is in it", () => {
    fc.assert(
      fc.property(any, fc.constantFrom(commentLimit, 3000), (given, limit) => {
        const text = markdownPreview(given, limit);
        expect(text.startsWith(`${marker(given.stack)}\n`)).toBe(true);
        expect(text.length).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 60 },
    );
  });

  test("cuts a long list with a count", () => {
    const many = Array.from({ length: 5000 }, (_, index): Change => ({
      action: "remove",
      what: `image number ${index}`,
      reasons: ["x".repeat(40)],
    }));
    const text = markdownPreview({ ...summary("unchanged"), changes: many });
    expect(text).toMatch(/- … and 4\d00 more/);
    expect(text.length).toBeLessThanOrEqual(commentLimit);
  });

  test("says what the terminal says", () => {
    const text = markdownPreview(summary("port"));
    expect(text).toContain("| Downtime | ⚠️ yes: gateway of the service server");
    // Pulumi lists the resources in the order in which it happens to look at them.
    expect(text).toMatch(/\*\*Replaced\*\*\n\n(- .*\n)*- `server archon-server-0`: memory limit in MiB 1024 → 512/);
  });

  test("lets no message end its block, mention anybody or make markup", () => {
    const text = markdownPreview({ ...summary("unchanged"), problems: ["a\n````\n@everyone <img src=x>\n# big"] });
    expect(text).toContain("`````text\na\n````\n@everyone");
    const listed = markdownPreview({
      ...summary("unchanged"),
      changes: [{ action: "create", what: "a`b\n# c", reasons: ["@team <img> [x](y) | z"] }],
    });
    expect(listed).toContain("- `ab# c`: @\u200bteam \\<img\\> \\[x\\](y) \\| z");
  });

  test("of a stack with any name has a marker of one line that nothing ends early", () => {
    expect(marker("a-->\nb")).toBe("<!-- archon-preview:a--__b -->");
  });
});

describe("secrets", () => {
  test.each([
    "https://user:hunter22@index.example/simple",
    "https://token@index.example/simple",
    "https://x.example/?access_token=abc123def",
    "Authorization: Bearer abcdefghijk",
    "hf_abcdefghijklmnopqrstuv",
    "ghp_abcdefghijklmnopqrstuvwx",
    "pul-0123456789abcdef0123456789abcdef01234567",
    "AKIAABCDEFGHIJKLMNOP",
    "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYSJ9.c2lnbmF0dXJl",
  ])("in a message are hidden: %s", (text) => {
    const shown = redact(`before ${text} after`, []);
    expect(shown).toContain(hidden);
    expect(shown).toMatch(/^before .* after$/);
    expect(shown).not.toMatch(/hunter22|token@|abc123def|abcdefghijk|0123456789abcdef|AKIA|eyJ/);
  });

  test("leave ordinary text as it is", () => {
    const text =
      "model Org/Name@aaaa from https://huggingface.co, key 6090c02ee441611f, docker.io/a/b@sha256:00, mail me@example.org";
    expect(redact(text, [])).toBe(text);
  });

  test("of the deployer's environment are hidden wherever they stand, the longest first", () => {
    const known = secretsOf({
      HF_TOKEN: "longer-secret",
      AWS_SECRET_ACCESS_KEY: "longer-secret-and-more",
      PULUMI_CONFIG_PASSPHRASE_FILE: "/etc/passphrase",
      TOKEN: "short",
      PATH: "/usr/local/bin",
    });
    expect(known.sort()).toEqual(["longer-secret", "longer-secret-and-more"]);
    expect(redact("x longer-secret-and-more y longer-secret z /etc/passphrase short", known)).toBe(
      `x ${hidden} y ${hidden} z /etc/passphrase short`,
    );
  });

  test("in a preview are hidden before anything is made of it", () => {
    const text = JSON.stringify({ diagnostics: [{ severity: "error", message: 'error: said "canary-value"\n' }] });
    const parsed = parsePreview(text, "FILE", (each) => redact(each, ["canary-value"]));
    expect(summarise(parsed, "test", { environment: () => undefined, directory: () => undefined }).problems).toEqual([
      `said "${hidden}"`,
    ]);
  });
});

test("the size of an environment is the sum of its lock's, and unknown when one is missing", () => {
  const one = "a==1 \\\n    --hash=sha256:00\n    # size: 10\n";
  expect(installedBytes(`# python: cp311\n${one}b[x]==2 \\\n    --hash=sha256:00\n    # size: 32\n`)).toBe(42);
  expect(installedBytes(`${one}b==2 --hash=sha256:00\n`)).toBeUndefined();
  expect(installedBytes("")).toBeUndefined();
  const real = installedBytes(
    fs.readFileSync(
      path.join(__dirname, "..", "..", "applications", "reference", "requirements.server.ml.txt"),
      "utf8",
    ),
  );
  expect(real).toBeGreaterThan(1e9);
  // A stack that names no list has that of its application.
  expect(checkoutSizes("dev").environment("", "cuda")).toBe(real);
  expect(checkoutSizes("dev").environment("nowhere.txt", "cuda")).toBeUndefined();
});
