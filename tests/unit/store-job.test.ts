import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { projectRoot } from "../../lib/paths";

// The script of a store job with a Docker client that only answers. That a job's container works, the engine suite shows.

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "store-job-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

/** @param engine exit codes of `docker run` and of `docker image inspect` */
function runJob(engine: { run: number; image: number }): { status: number | null; stdout: string; stderr: string } {
  const client = `#!/usr/bin/env bash
case "$1" in
  run) cat; exit ${engine.run} ;;
  image) exit ${engine.image} ;;
esac
`;
  fs.writeFileSync(path.join(directory, "docker"), client, { mode: 0o755 });
  const { status, stdout, stderr } = spawnSync(path.join(projectRoot, "components/scripts/store-job.sh"), {
    encoding: "utf8",
    env: {
      PATH: [directory, process.env.PATH].join(path.delimiter),
      JOB_NAME: "job",
      JOB_OPTIONS: "--rm",
      JOB_IMAGE: "archon-bootstrap:b",
      JOB_COMMAND: "hold",
      JOB_TEXT: "text",
      JOB_FILE: "",
      JOB_DIRECTORY: "",
    },
  });
  return { status, stdout, stderr };
}

test("a job gets its text and ends as its container does", () => {
  expect(runJob({ run: 0, image: 0 })).toEqual({ status: 0, stdout: "text", stderr: "" });
  expect(runJob({ run: 2, image: 0 })).toEqual({ status: 2, stdout: "text", stderr: "" });
});

test("an image that was removed since the update began is named, with the command that builds it again", () => {
  const { status, stderr } = runJob({ run: 125, image: 1 });
  expect(status).toBe(125);
  expect(stderr).toContain("no longer has the image archon-bootstrap:b");
  expect(stderr).toContain("./archon pulumi up --refresh");
});
