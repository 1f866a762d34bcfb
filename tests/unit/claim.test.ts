import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { projectRoot } from "../../lib/paths";

// The script with a Docker client that keeps volumes as files. That Docker gives a volume that exists to whoever makes it
// again, and what the store job does, the engine suite shows.

let directory: string;
const volume = (): string => path.join(directory, "volumes", "archon-dev-claim");
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "claim-"));
  fs.mkdirSync(path.dirname(volume()));
  const client = `#!/usr/bin/env bash
file=${directory}/volumes/\${!#}
case "$1 $2" in
  "volume create") [[ -e "$file" ]] || printf '%s\\n' "$@" >"$file" ;;
  "volume inspect")
    [[ -e "$file" ]] || exit 1
    if [[ "$*" == *deployment* ]]; then sed -n 's/^--label=io.archon.deployment=//p' "$file"; else echo ada; fi ;;
  "volume rm") rm "$file" ;;
  "run "*) cat >/dev/null; exit "$STORE_STATUS" ;;
esac
`;
  fs.writeFileSync(path.join(directory, "docker"), client, { mode: 0o755 });
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

/** @param store exit code of the job that claims the name in the store */
function claim(id: string, store: number): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync("components/scripts/claim.sh", {
    cwd: projectRoot,
    encoding: "utf8",
    env: {
      PATH: [directory, process.env.PATH].join(path.delimiter),
      STORE_STATUS: String(store),
      CLAIM_VOLUME: "archon-dev-claim",
      CLAIM_LABELS: `io.archon.deployment=${id}\nio.archon.owner=ada`,
      CLAIM_ID: id,
      CLAIM_ENGINE_REFUSAL: "It is that of @OWNER@.",
      JOB_NAME: "job",
      JOB_OPTIONS: "--rm",
      JOB_IMAGE: "archon-bootstrap:b",
      JOB_COMMAND: "-s",
      JOB_TEXT: "",
      JOB_FILE: "components/scripts/claim-store.sh",
      JOB_DIRECTORY: "",
    },
  });
  return { status, stderr };
}

test("a first update that the store refuses gives up its claim on the engine, and ends as the job did", () => {
  expect(claim("one", 3)).toEqual({ status: 3, stderr: "" });
  expect(fs.existsSync(volume())).toBe(false);
});

test("a claim that was there before a store job failed stays", () => {
  expect(claim("one", 0)).toEqual({ status: 0, stderr: "" });
  expect(claim("one", 3).status).toBe(3);
  expect(fs.existsSync(volume())).toBe(true);
});

test("another deployment is refused by the engine, and removes nothing", () => {
  claim("one", 0);
  expect(claim("two", 0)).toEqual({ status: 1, stderr: "It is that of ada.\n" });
  expect(fs.existsSync(volume())).toBe(true);
});
