import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/**
 * Proves what the readiness gate says of a health check, a smoke test and a gateway that does not run, with a stand-in for
 * the Docker client that reports a server which runs. How a gate finds a server, only the engine suite proves.
 */
const script = path.join(__dirname, "../../components/scripts/readiness-gate.sh");

const SERVER = "c".repeat(64);
const GATEWAY = "d".repeat(64);

const DOCKER = `#!/bin/bash
case "$1 $3 \${@: -1}" in
"inspect {{.State.Status}} ${SERVER}") echo running ;;
"inspect {{.State.Status}} ${GATEWAY}") echo "$GATEWAY_STATE" ;;
"inspect "*RestartCount*) echo running 0 false ;;
"run "*) [[ "$GATEWAY_STATE" == running ]] || { echo "Connection refused"; exit 1; } ;;
"exec timeout "*) eval "$HEALTH_CHECK" ;;
"exec "*) eval "$SMOKE_TEST" ;;
"logs "*) echo "the log of \${@: -1}" ;;
esac
`;

interface Situation {
  /** The state of the gateway's container. @default "running" */
  gateway?: string;
  /** What the health check does, in Bash. Its working directory is empty at first. @default it passes */
  healthCheck?: string;
  /** What the smoke test does, in Bash. @default it passes */
  smokeTest?: string;
  /** Seconds that the server may take. @default 20 */
  timeout?: number;
}

async function gate({
  gateway = "running",
  healthCheck = "true",
  smokeTest = "true",
  timeout = 20,
}: Situation): Promise<{
  code: number | null;
  output: string;
}> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-gate-"));
  try {
    fs.writeFileSync(path.join(directory, "docker"), DOCKER, { mode: 0o755 });
    const child = spawn(script, {
      cwd: directory,
      env: {
        PATH: `${directory}:${process.env["PATH"] ?? ""}`,
        HEALTH_CHECK: healthCheck,
        SMOKE_TEST: smokeTest,
        GATEWAY_STATE: gateway,
        GATE_CONTAINER: SERVER,
        GATE_GATEWAY: GATEWAY,
        GATE_URL: "http://127.0.0.1:8181/health",
        GATE_ASK_OPTIONS: "--rm",
        GATE_ASK_IMAGE: "gateway:1",
        GATE_CHECK: "check\nready",
        GATE_CHECK_TIMEOUT: "5",
        GATE_FAILED_PREFIX: "failed: ",
        GATE_SMOKE_TEST: "/dev/null",
        GATE_SMOKE_TEST_ARGUMENTS: "8181",
        GATE_TIMEOUT: String(timeout),
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
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

test.concurrent("a smoke test that passes is repeated, and the server is ready", async () => {
  expect(await gate({ smokeTest: "echo 'the model alone is tried'" })).toEqual({
    code: 0,
    output: "the model alone is tried\nready\n",
  });
});

test.concurrent("a smoke test that fails gives the reason by its last line", async () => {
  const { code, output } = await gate({ smokeTest: "echo one; echo 'no result has a score'; exit 1" });
  expect(code).toBe(1);
  expect(output).toContain("its smoke test (archon:application.smokeTest) failed: no result has a score.");
});

test.concurrent("a smoke test that runs into the time limit is said to, whatever it printed last", async () => {
  const { code, output } = await gate({ smokeTest: "echo 'an upload began'; exec sleep 20", timeout: 1 });
  expect(code).toBe(1);
  expect(output).toContain(
    "its smoke test (archon:application.smokeTest) did not end within 1 s (archon:readyTimeout); the last it said is: an upload began.",
  );
});

test.concurrent("a gateway that does not run is named at once, with its log", async () => {
  const { code, output } = await gate({ gateway: "restarting" });
  expect(code).toBe(1);
  expect(output).toContain(
    "the gateway does not run (it is restarting), so http://127.0.0.1:8181/health does not answer. The end of the gateway's log:\n" +
      `  the log of ${GATEWAY}\n`,
  );
});

test.concurrent("a release that reports twice that it has failed is not waited for", async () => {
  const { code, output } = await gate({ healthCheck: "echo 'failed: the model cannot be loaded'; exit 1" });
  expect(code).toBe(1);
  expect(output).toContain(
    "The new server is not ready: it reports failed: the model cannot be loaded. The end of its log:\n",
  );
});

test.concurrent.each([
  ["what the health check says", "echo 'no answer on port 8181'; exit 1", "no answer on port 8181"],
  ["that the health check does not end", "exit 124", "no answer within 5 s"],
])("a server that does not become ready in time is reported with %s", async (_, healthCheck, says) => {
  const { code, output } = await gate({ healthCheck, timeout: 1 });
  expect(code).toBe(1);
  expect(output).toContain(`it did not become ready within 1 s (archon:readyTimeout); its health check says: ${says}.`);
});

test.concurrent(
  "a server that was ready and is not any more when it is asked again has to become ready again",
  async () => {
    const once = "[[ ! -e asked ]] || { echo busy; exit 1; }; touch asked";
    const { code, output } = await gate({ healthCheck: once, timeout: 4 });
    expect(code).toBe(1);
    expect(output).toContain("its health check says: busy.");
  },
);
