import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { LIST_LIVE_CONTAINERS, LIST_ROOTS, otherReferences } from "../../lib/collection-queries.cjs";
import { projectRoot } from "../../lib/paths";

// The script of an update's garbage collection with a Docker client that only answers. That the engine understands the
// questions, the engine suite shows.

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "collect-garbage-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

const inspected = [
  {
    Config: {
      Labels: { "io.archon.project": "archon", "io.archon.stack": "dev", "io.archon.models": "local/demo@abc" },
    },
    Mounts: [
      { Type: "bind", Source: "/srv/archon/envs/k" },
      { Type: "tmpfs", Source: "" },
    ],
  },
  { Config: { Labels: null }, Mounts: [{ Type: "bind", Source: "/srv/archon/envs/other" }] },
];

/** Runs the script; returns its output, the arguments of each call of `docker`, and what the store tool got to read. */
function collect(): { status: number | null; stdout: string; calls: string[]; input: unknown } {
  const file = (name: string): string => path.join(directory, name);
  fs.writeFileSync(file("inspected.json"), JSON.stringify(inspected));
  const client = `#!/usr/bin/env bash
echo "$*" >>"${file("calls")}"
case "$1" in
  ps) printf 'one\\ntwo\\n' ;;
  inspect) cat "${file("inspected.json")}" ;;
  network) printf '/srv/other\\n/srv/archon\\n/srv/other\\n' ;;
  run) cat >"${file("input.json")}"; printf 'removing envs/old\\n{"images":["archon-server:old"]}\\n' ;;
esac
`;
  fs.writeFileSync(file("docker"), client, { mode: 0o755 });
  const { status, stdout } = spawnSync(path.join(projectRoot, "components/scripts/collect-garbage.mjs"), {
    encoding: "utf8",
    env: {
      PATH: [directory, process.env.PATH].join(path.delimiter),
      JOB_ROOT: "/srv/archon",
      JOB_NAME: "job",
      JOB_OPTIONS: "--rm",
      JOB_IMAGE: "archon-bootstrap:b",
      JOB_COMMAND: "collect\n--json",
      JOB_TEXT: JSON.stringify({ images: [], environments: ["k"], models: [] }),
      JOB_FILE: "",
      JOB_DIRECTORY: "",
    },
  });
  return {
    status,
    stdout,
    calls: fs.readFileSync(file("calls"), "utf8").trim().split("\n"),
    input: JSON.parse(fs.readFileSync(file("input.json"), "utf8")),
  };
}

test("a garbage collection spares what live containers mount, and removes images that nothing refers to", () => {
  const { status, stdout, calls, input } = collect();
  expect({ status, stdout }).toEqual({ status: 0, stdout: "removing envs/old\nremoved image archon-server:old\n" });
  expect(input).toEqual({
    keep: { images: [], environments: ["k"], models: [] },
    root: "/srv/archon",
    mounted: [
      { path: "/srv/archon/envs/k", stack: "archon-dev", models: "local/demo@abc" },
      { path: "/srv/archon/envs/other", stack: "-", models: "" },
    ],
  });
  expect(calls).toContain(LIST_LIVE_CONTAINERS.join(" "));
  expect(calls).toContain("inspect --type=container one two");
  expect(calls).toContain("image rm archon-server:old");
});

test("what the stacks of other stores refer to counts as well", () => {
  const { calls } = collect();
  expect(calls).toContain(LIST_ROOTS.join(" "));
  expect(calls).toContain(
    "run --rm --volume=/srv/other/refs:/references/0:ro archon-bootstrap:b collect --json --also-references /references/0",
  );
});

test("other stores are named once each, in a stable order, and the own one is not among them", () => {
  expect(LIST_ROOTS).toEqual([
    "network",
    "ls",
    "--filter=label=io.archon.root",
    "--format",
    '{{.Label "io.archon.root"}}',
  ]);
  expect(otherReferences("/srv/b\n/srv/a\n/srv/archon/\n/srv/b\n", "/srv/archon")).toEqual([
    { source: "/srv/a/refs", target: "/references/0" },
    { source: "/srv/b/refs", target: "/references/1" },
  ]);
  expect(otherReferences("", "/srv/archon")).toEqual([]);
});
