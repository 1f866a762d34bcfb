import { spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { ensureDocker } from "../../commands/setup/docker";
import { silent } from "../../commands/lib/progress";
import type { Release } from "../../release/release";
import { command, prepareCommands } from "./commands";
import { Checkout, docker, hasImage, inspect, type EngineStack } from "./engine";
import { Load, type Loss } from "./load";
import { Random } from "./random";

/**
 * What kill -9 hits: the whole process group of the update, the Pulumi CLI alone, a store job, the new server, or the
 * Docker engine.
 */
type Victim = "update" | "cli" | "job" | "server" | "engine";

interface Scenario {
  /** What the update is about. */
  change: "server" | "environment" | "back" | "nothing";
  /** What may be killed during such an update; more frequent ones are listed more than once. */
  victims: readonly [Victim, ...Victim[]];
  /** Time of such an update, as a share of the time of the stack's first update. */
  share: number;
}

const scenarios: readonly [Scenario, ...Scenario[]] = [
  { change: "server", victims: ["update", "update", "cli", "job", "server"], share: 0.5 },
  { change: "environment", victims: ["update", "update", "cli", "job", "server"], share: 0.5 },
  { change: "back", victims: ["update", "update", "cli", "server"], share: 0.4 },
  { change: "nothing", victims: ["update", "cli"], share: 0.15 },
];

export interface FaultOptions {
  runs: number;
  seed: number;
  /** Kill only the Docker engine, with all containers of the machine. @default false */
  engine?: boolean;
  /** Ends it before the next run; both stacks are removed. */
  signal?: AbortSignal;
  print: (line: string) => void;
}

export interface FaultReport {
  /** Runs in which the victim existed and was killed. */
  hit: number;
  /** Runs after which something was broken. */
  brokenRuns: number;
  /** One line for each broken thing. */
  broken: string[];
  requests: number;
  /**
   * Requests without a correct answer, each with the run that it fell into. On an overloaded machine, a slow server
   * counts as unavailable.
   */
  lost: string[];
  /** Requests without a correct answer in runs that killed a server, which may have been the one that answers. */
  outages: number;
}

const pollMilliseconds = 50;
const killedStatus = 128 + 9;
const enginePidFile = "/var/run/docker.pid";
const serverFile = "applications/reference/archon_server/__init__.py";

/**
 * Interrupts updates of a small stack at random moments and checks that the next update repairs everything, while a
 * client sends requests. After each interruption, `./archon recover` and the next update succeed, one server runs the
 * requested release, no job is left, the store is intact, and everything that the ledger's releases need exists.
 * Another stack on the same engine and store, which is never updated, keeps its containers and all that it needs.
 */
export async function updateFaults({ runs, seed, engine = false, signal, print }: FaultOptions): Promise<FaultReport> {
  const random = new Random(seed);
  const report: FaultReport = { hit: 0, brokenRuns: 0, broken: [], requests: 0, lost: [], outages: 0 };
  const checkout = new Checkout();
  let load: Load | undefined;
  try {
    const stack = await checkout.stack();
    prepareCommands(checkout);
    const start = performance.now();
    await stack.up();
    const usual = performance.now() - start;
    await stack.healthy();
    const neighbour = await checkout.stack();
    await neighbour.up();
    const before = await pictureOf(neighbour);
    load = new Load(await stack.url(), 5);
    await load.start();
    for (let run = 1; run <= runs; run += 1) {
      signal?.throwIfAborted();
      const { change, victims, share } = random.pick(scenarios);
      const victim = engine ? "engine" : random.pick(victims);
      await prepare(change, run, checkout, stack);
      // Jobs come first in an update.
      const latest = usual * share * (victim === "job" ? 0.4 : 1);
      const lostBefore = load.lost.length;
      const hit = await hitUpdate(stack, victim, random.next() * latest);
      report.hit += hit ? 1 : 0;
      const problems = [
        ...(victim === "engine" ? await problemsWithoutHelp(stack) : []),
        ...(await recover(checkout, stack)),
        ...(await problemsOfNeighbour(neighbour, before)),
      ];
      report.brokenRuns += problems.length > 0 ? 1 : 0;
      const name = `run ${run} (${change}, ${victim})`;
      report.broken.push(...problems.map((problem) => `${name}: ${problem}`));
      const lost = load.lost.slice(lostBefore);
      if (hit && (victim === "server" || victim === "engine")) {
        report.outages += lost.length;
      } else {
        report.lost.push(...lost.map((loss) => `${name}: ${describe(loss)}`));
      }
      print(
        `run ${run} of ${runs}: ${change}, ${hit ? `kill -9 of ${victim}` : `${victim} was not running`}: ${problems.length === 0 ? "recovered" : problems.join("; ")}`,
      );
    }
    const lostBefore = load.lost.length;
    const { searches, uploads, lost } = await load.stop();
    report.requests = searches + uploads;
    report.lost.push(...lost.slice(lostBefore).map((loss) => `after the last run: ${describe(loss)}`));
  } catch (error) {
    // Removing the stack may fail for the same reason, and would hide it.
    print(`given up: ${(error as Error).message}`);
    throw error;
  } finally {
    load?.end();
    checkout.remove();
  }
  return report;
}

function describe({ what, reason }: Loss): string {
  return `${what}: ${reason.replace(/\s+/g, " ")}`;
}

async function prepare(change: Scenario["change"], run: number, checkout: Checkout, stack: EngineStack): Promise<void> {
  const lock = String(stack.configuration["requirements"]);
  const { releases = [], release } = (await stack.outputs()) as { releases?: Release[]; release?: string };
  const past = releases.find(({ id, lost }) => id !== release && lost === undefined);
  switch (change) {
    case "server":
      checkout.edit(serverFile, (text) => `${text.replace(/\n# run \d+\n/, "")}\n# run ${run}\n`);
      return stack.configure({ release: "" });
    case "environment":
      return stack.configure({
        release: "",
        requirements: lock.endsWith("-changed.txt")
          ? lock.replace("-changed", "")
          : lock.replace(".txt", "-changed.txt"),
      });
    case "back":
      return past === undefined ? prepare("server", run, checkout, stack) : stack.configure({ release: past.id });
    case "nothing":
      return undefined;
  }
}

/** Starts an update, kills the victim once, and waits for the end. Returns whether there was something to kill. */
async function hitUpdate(stack: EngineStack, victim: Victim, afterMilliseconds: number): Promise<boolean> {
  const known = new Set(stack.containers("server"));
  const update = stack.spawn("up", "--yes", "--skip-preview");
  update.stdout?.resume();
  update.stderr?.resume();
  const ended = once(update, "exit");
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, afterMilliseconds))]);
  const hit = await kill(victim, stack, update, known);
  await ended;
  return hit;
}

function kill(
  victim: Victim,
  stack: EngineStack,
  update: ChildProcess,
  known: ReadonlySet<string>,
): Promise<boolean> | boolean {
  switch (victim) {
    case "update":
    case "cli":
      return killProcess(update, victim);
    case "job":
    case "server":
      return killContainer(stack, victim, update, known);
    case "engine":
      return restartEngine(update);
  }
}

/** Kills the engine as a crash does, and starts it again as `./archon setup` does. */
async function restartEngine(update: ChildProcess): Promise<boolean> {
  const running = update.exitCode === null;
  process.kill(Number(fs.readFileSync(enginePidFile, "utf8")), "SIGKILL");
  await ensureDocker(undefined, silent);
  return running;
}

function killProcess(update: ChildProcess, victim: "update" | "cli"): boolean {
  if (update.pid === undefined || update.exitCode !== null) {
    return false;
  }
  process.kill(victim === "update" ? -update.pid : update.pid, "SIGKILL");
  return true;
}

/** Waits for a container of this update to appear, and kills it. */
async function killContainer(
  stack: EngineStack,
  victim: "job" | "server",
  update: ChildProcess,
  known: ReadonlySet<string>,
): Promise<boolean> {
  while (update.exitCode === null && update.signalCode === null) {
    const [found] = stack.containers(victim === "job" ? "one-shot" : "server").filter((id) => !known.has(id));
    if (found !== undefined && crash(found)) {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMilliseconds));
  }
  return false;
}

/**
 * Kills the processes of a container from inside, like a crash: the engine does not restart a container that was killed
 * through the engine itself. Returns whether the container was running.
 */
function crash(container: string): boolean {
  const { status } = spawnSync("docker", ["exec", container, "python3", "-c", "import os; os.kill(-1, 9)"]);
  // The end of the container also kills this process.
  return status === 0 || status === killedStatus;
}

/** Checks that the servers of a stack answer although no command was run. */
function problemsWithoutHelp(stack: EngineStack): Promise<string[]> {
  return stack.healthy().then(
    () => [],
    (error: unknown) => [(error as Error).message],
  );
}

/**
 * Does what a person does after a killed update.
 *
 * @returns the problems that remain
 */
async function recover(checkout: Checkout, stack: EngineStack): Promise<string[]> {
  const { code, output } = command(checkout, "recover", "--stack", stack.name);
  if (code !== 0) {
    return [`./archon recover failed: ${output}`];
  }
  try {
    await stack.up();
    await stack.healthy();
  } catch (error) {
    return [`the next update failed: ${(error as Error).message}`];
  }
  return [...(await problemsOfStack(stack)), ...(await problemsOfStore(checkout, stack))];
}

async function problemsOfStack(stack: EngineStack): Promise<string[]> {
  const { release } = (await stack.outputs()) as { release: string };
  const { release: requested = "" } = stack.configuration as { release?: string };
  const servers = stack.containers("server");
  const served = servers
    .flatMap((id) => inspect(id).Config.Env.filter((each) => each.startsWith("ARCHON_RELEASE=")))
    .map((each) => each.slice("ARCHON_RELEASE=".length));
  const jobs = stack.containers("one-shot");
  return [
    ...(requested === "" || requested === release
      ? []
      : [`the stack says it runs ${release}, but ${requested} was requested`]),
    ...(served.length === 1 && served[0] === release
      ? []
      : [`one server of ${release} should run, but the running ones are of ${served.join(", ") || "no release"}`]),
    ...(stack.containers("gateway").length === 1 ? [] : [`${stack.containers("gateway").length} gateways run`]),
    ...(jobs.length === 0 ? [] : [`${jobs.length} store jobs are left`]),
  ];
}

/** What another stack has: its containers, and the directory and image that its server was made from. */
interface Picture {
  containers: string[];
  environment: number | undefined;
  image: boolean;
}

async function pictureOf(stack: EngineStack): Promise<Picture> {
  const { environment, images } = (await stack.outputs()) as {
    environment: { path: string };
    images: { server: string };
  };
  return {
    containers: [...stack.containers("server"), ...stack.containers("gateway")],
    environment: fs.statSync(environment.path, { throwIfNoEntry: false })?.ino,
    image: hasImage(images.server),
  };
}

/** What a stack has lost that nobody has updated. */
async function problemsOfNeighbour(stack: EngineStack, before: Picture): Promise<string[]> {
  const now = await pictureOf(stack);
  const changed = (["containers", "environment", "image"] as const).filter(
    (part) => JSON.stringify(now[part]) !== JSON.stringify(before[part]),
  );
  return [
    ...changed.map((part) => `the ${part} of another stack changed: ${JSON.stringify(now[part] ?? "gone")}`),
    ...(await problemsWithoutHelp(stack)),
  ];
}

async function problemsOfStore({ root }: Checkout, stack: EngineStack): Promise<string[]> {
  const { releases, images } = (await stack.outputs()) as { releases: Release[]; images: { bootstrap: string } };
  const present = new Set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split("\n"));
  const missing = releases
    .filter(({ lost }) => lost === undefined)
    .flatMap(({ environment, images: { server } }) => [
      ...(fs.existsSync(path.join(root, "envs", environment)) ? [] : [`environment ${environment}`]),
      ...(present.has(server) ? [] : [`image ${server}`]),
    ]);
  const mounts = stack
    .containers("server")
    .flatMap((id) => inspect(id).Mounts.map(({ Source }) => Source))
    .filter((source) => !fs.existsSync(source));
  return [
    ...[...new Set(missing)].map((part) => `${part} is missing, though a release of the ledger needs it`),
    ...mounts.map((source) => `${source} is missing, though a server has it mounted`),
    ...damage(root, images.bootstrap),
  ];
}

/** What a full verification of the store finds. */
function damage(root: string, image: string): string[] {
  try {
    docker("run", "--rm", "--network=none", `--volume=${root}:/store`, image, "verify", "--store", "/store", "--full");
    return [];
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    return [`the store is damaged: ${stdout ?? ""}${stderr ?? ""}`];
  }
}
