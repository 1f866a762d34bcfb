import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/**
 * Proves what the readiness gate says of a smoke test and of a gateway that does not run, with a stand-in for the Docker
 * client that reports a server which is ready. How a gate finds a server, only the engine suite proves.
 */
const script = path.join(__dirname, "../../components/scripts/readiness-gate.sh");

const SERVER = "c".repeat(64);
const GATEWAY = "d".repeat(64);

const DOCKER = `#!/bin/bash
case "$1 $3 \${@: -1}" in
"inspect {{.State.Status}} ${SERVER}") echo running ;;
"inspect {{.State.Status}} ${GATEWAY}") echo "$GATEWAY_STATE" ;;
"inspect "*RestartCount*) echo running healthy 0 false ;;
"run "*) [[ "$GATEWAY_STATE" == running ]] || { echo "Connection refused"; exit 1; } ;;
"exec "*) eval "$SMOKE_TEST" ;;
"logs "*) echo "the log of \${@: -1}" ;;
esac
`;

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-gate-"));
  fs.writeFileSync(path.join(directory, "docker"), DOCKER, { mode: 0o755 });
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

/**
 * @param smokeTest what the smoke test does, in Bash
 * @param gateway the state of the gateway's container
 */
function gate(smokeTest: string, gateway = "running"): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(script, {
    encoding: "utf8",
    env: {
      PATH: `${directory}:${process.env["PATH"] ?? ""}`,
      SMOKE_TEST: smokeTest,
      GATEWAY_STATE: gateway,
      GATE_CONTAINER: SERVER,
      GATE_GATEWAY: GATEWAY,
      GATE_URL: "http://127.0.0.1:8181/health",
      GATE_ASK_OPTIONS: "--rm",
      GATE_ASK_IMAGE: "gateway:1",
      GATE_FAILED_PREFIX: "",
      GATE_SMOKE_TEST: "/dev/null",
      GATE_SMOKE_TEST_ARGUMENTS: "8181",
      GATE_TIMEOUT: "1",
      GATE_ROLLOUT: "overlap",
      GATE_STOPPED: "",
      PREVIOUS_RELEASE: "",
      SERVERS_PROJECT: "archon",
      SERVERS_STACK: "dev",
      SERVERS_DEPLOYMENT: "d",
      SERVERS_SERVICE: "server",
      SERVERS_GRACE: "1",
    },
  });
  return { code: status, output: stdout + stderr };
}

test("a smoke test that passes is repeated, and the server is ready", () => {
  expect(gate("echo 'the model alone is tried'")).toEqual({ code: 0, output: "the model alone is tried\nready\n" });
});

test("a smoke test that fails gives the reason by its last line", () => {
  const { code, output } = gate("echo one; echo 'no result has a score'; exit 1");
  expect(code).toBe(1);
  expect(output).toContain("its smoke test (archon:application.smokeTest) failed: no result has a score.");
});

test("a smoke test that runs into the time limit is said to, whatever it printed last", () => {
  const { code, output } = gate("echo 'an upload began'; exec sleep 20");
  expect(code).toBe(1);
  expect(output).toContain(
    "its smoke test (archon:application.smokeTest) did not end within 1 s (archon:readyTimeout); the last it said is: an upload began.",
  );
});

test("a gateway that does not run is named at once, with its log", () => {
  const { code, output } = gate("true", "restarting");
  expect(code).toBe(1);
  expect(output).toContain(
    "the gateway does not run (it is restarting), so http://127.0.0.1:8181/health does not answer. The end of the gateway's log:\n" +
      `  the log of ${GATEWAY}\n`,
  );
});
