import * as fs from "node:fs";
import * as path from "node:path";
import { configuredGpus, configuredServices, configuredTls, configuredValue } from "../../config/stack";
import { MOUNTS, roleOf, type Application, type Role } from "../../applications/application";
import { archon } from "../../lib/command-line";
import { Interrupted } from "../../lib/errors";
import { isLocal } from "../../lib/host";
import { IMAGES } from "../../lib/images";
import { runningImages } from "../../release/release";
import { imageExists, imageLayers, localImages } from "../lib/docker";
import { imageReference } from "../lib/images";
import { stackFlag } from "../lib/options";
import { CommandError } from "../lib/run";
import { foreign } from "../recover/orphans";
import { labelledWith } from "../recover/recover";
import { checkReleases } from "../releases/ledger";
import { currentTools } from "../setup/ensure";
import { hasSelinux, type EngineInfo } from "../setup/engine-check";
import { checkAnswers, type RunningService } from "./answers";
import { checkConfiguration } from "./configuration";
import { inspectAll, judgeContainers, type Inspected } from "./containers";
import { judgeDisk } from "./disk";
import { checkEngine } from "./engine";
import { ok, problem, skipped, warning, type Finding } from "./finding";
import { judgeGpu } from "./gpu";
import { hostSchema } from "./host";
import { judgeImage } from "./image";
import { checkCertificates, checkEnvironment, checkSources, judgeMtu, networkMtus } from "./network";
import { checkPackages } from "./packages";
import { checkPermissions } from "./permissions";
import { runProbe } from "../lib/probe";
import { checkState, type StackState } from "./state";
import {
  checkInventory,
  claimOf,
  judgeOthers,
  judgeStaging,
  judgeVerified,
  largestEnvironment,
  missingStore,
  survey,
  verifyStore,
  type Survey,
} from "./store";
import type { Subject } from "./subject";
import { checkTls } from "./tls";
import { checkTools } from "./tools";

/**
 * Looks at everything that a stack needs, and changes nothing. What cannot be looked at is a finding too: before the
 * set-up, without an engine, and for a stack that does not exist.
 */
export async function* examine(stack: string): AsyncGenerator<Finding> {
  yield* await attempt("tools", checkTools);
  const { findings, host, application } = checkConfiguration(stack);
  yield* findings;
  if (host === undefined) {
    return;
  }
  yield* await attempt("environment", () => checkEnvironment({ stack, host }));
  yield* await attempt("certificates", () => [checkCertificates({ stack, host })]);

  const known = await attemptWith("state", { findings: [] }, () => checkStateOf(stack));
  yield* known.findings;
  const state = known.state;
  const subject = { stack, host, root: state?.ledger.root ?? configuredValue("root", stack) };
  const engine = await attemptWith("engine", { findings: [] }, () => checkEngine(stack, host.dockerHost, subject.root));
  yield* engine.findings;
  if (engine.info === undefined) {
    yield skipped("host and store", "the engine does not answer");
    return;
  }
  const tool = await attemptWith("store", { findings: [] }, () => findStoreImage(subject, state));
  const { image } = tool;
  if (image === undefined) {
    yield* await attempt("disk", () => checkLocalDisk(subject));
    yield* tool.findings;
    return;
  }
  yield* examineStore(subject, image, state);
  yield* examineHost(subject, image, engine.info);
  if (state !== undefined && application !== undefined) {
    yield* examineDeployment({ subject, image, info: engine.info, state, application });
  }
}

async function checkStateOf(stack: string): Promise<{ findings: Finding[]; state?: StackState }> {
  return currentTools() === undefined
    ? { findings: [skipped("state", "there is no Pulumi to read it with", archon(`setup${stackFlag(stack)}`))] }
    : checkState(stack);
}

/** An image of the engine with the store tool: that of this checkout, else one that ran. Builds none. */
async function findStoreImage(
  { stack, host }: Subject,
  state: StackState | undefined,
): Promise<{ findings: Finding[]; image?: string }> {
  const own = imageReference(IMAGES.bootstrap, stack);
  if (await imageExists(own, host.dockerHost)) {
    return { findings: [], image: own };
  }
  const present = await localImages([IMAGES.bootstrap.repository], host.dockerHost);
  const ran = state?.ledger.sharedImages?.bootstrap;
  const image = ran !== undefined && present.includes(ran) ? ran : present[0];
  return image === undefined
    ? {
        findings: [
          skipped(
            "store",
            "the engine has no image with the store tool yet; an update builds it",
            archon(`verify${stackFlag(stack)}`),
          ),
        ],
      }
    : { findings: [], image };
}

async function* examineStore(subject: Subject, image: string, state: StackState | undefined): AsyncGenerator<Finding> {
  const { stack, root } = subject;
  const { found, findings } = await attemptWith("store", { findings: [] }, () => surveyOf(subject, image, state));
  yield* findings;
  if (found === undefined) {
    return;
  }
  yield* inOrder(
    attempt("store", async () => [await checkInventory(subject, image)]),
    attempt("content", async () => {
      const verified = await verifyStore(subject, image);
      return [
        ...judgeVerified(verified, stack),
        judgeDisk({ holds: `the store ${root}`, ...found.store }, largestEnvironment(verified), stack),
      ];
    }),
  );
  yield judgeDisk({ holds: "the engine's images and containers", ...found.engine }, undefined, stack);
  yield* judgeStaging(found.staging, stack);
  if (state !== undefined) {
    yield* await attempt("other checkouts", async () => {
      const others = foreign(await labelledWith(stack), state.known);
      return [judgeOthers(stack, state.known.ownership, claimOf(found), others)];
    });
    yield* await attempt("releases", () => judgeReleases(stack, state));
  }
}

async function surveyOf(
  subject: Subject,
  image: string,
  state: StackState | undefined,
): Promise<{ findings: Finding[]; found?: Survey }> {
  const found = await survey(subject, image);
  return found === undefined ? { findings: [missingStore(subject, state?.ledger.running)] } : { findings: [], found };
}

/** Whether the releases of the ledger can run again. */
function judgeReleases(stack: string, { ledger }: StackState): Finding[] {
  const releases = checkReleases(stack, ledger);
  const lost = releases.filter((each) => each.lost !== undefined);
  if (lost.length === 0) {
    return [ok("releases", `${releases.length} can run: ${releases.map(({ id }) => id).join(", ")}`)];
  }
  return lost.map(({ id, lost: reason = "", commit }) =>
    id === ledger.running
      ? problem("releases", `the running release ${id}: ${reason}`, archon(`pulumi up --refresh${stackFlag(stack)}`))
      : warning(
          "releases",
          `there is no rollback to ${id}: ${reason}`,
          commit === undefined
            ? "deploy its sources again"
            : `git checkout ${commit.slice(0, 12)}, then ${archon(`pulumi up${stackFlag(stack)}`)}`,
        ),
  );
}

async function* examineHost(subject: Subject, image: string, info: EngineInfo): AsyncGenerator<Finding> {
  const { stack, host } = subject;
  const facts = attempt("host", async () => {
    const { mtu, nvidiaDriver } = await runProbe(
      { image, dockerHost: host.dockerHost },
      { program: "doctor/probes/host.py", options: { network: "host" }, schema: hostSchema },
    );
    const networks = (await labelledWith(stack)).filter(({ kind }) => kind === "network").map(({ name }) => name);
    return [
      judgeMtu(mtu, await networkMtus(host.dockerHost, ["bridge", ...networks])),
      judgeGpu(info, nvidiaDriver, {
        accelerator: configuredValue("accelerator", stack),
        services: configuredGpus(stack),
      }),
    ];
  });
  yield* inOrder(
    attempt("sources", () => checkSources(subject, image)),
    facts,
    ...configuredTls(stack).map((service) => attempt("tls", () => checkTls(subject, image, service))),
  );
}

interface Deployed {
  subject: Subject;
  image: string;
  info: EngineInfo;
  state: StackState;
  application: Application;
}

async function* examineDeployment({ subject, image, info, state, application }: Deployed): AsyncGenerator<Finding> {
  const { stack, host } = subject;
  const { findings, inspected } = await attemptWith("containers", { findings: [], inspected: [] }, async () => {
    const ids = state.containers.map(({ id }) => id);
    const all = await inspectAll(host.dockerHost, ids);
    return { findings: judgeContainers(stack, state, await labelledWith(stack), all), inspected: all };
  });
  yield* findings;
  const { services, running, releases } = state.ledger;
  const release = releases.find(({ id }) => id === running);
  if (release === undefined) {
    return;
  }
  const known = services.map(({ name, url }) => ({ name, url, role: configuredRole(stack, application, name) }));
  const servers = serversOf(inspected);
  yield* inOrder(
    ...known.map(({ name, url, role }) =>
      attempt("answers", async () =>
        role === undefined
          ? [
              skipped(
                "answers",
                `the service ${name} is not configured any more`,
                archon(`pulumi up${stackFlag(stack)}`),
              ),
            ]
          : [
              await checkAnswers(subject, image, {
                name,
                url,
                readiness: role.readiness,
                tls: tlsOf(name, url, stack),
              }),
            ],
      ),
    ),
    ...known.flatMap(({ name, role }) =>
      role === undefined ? [] : examineServer({ subject, image, info }, { name, role }, servers.get(name)),
    ),
  );
  yield* await attempt("image", async () => {
    const references = [...runningImages(release).values()];
    const judged = await Promise.all(
      references.map(async (reference) => {
        const layers = await imageLayers(reference, host.dockerHost);
        return layers === undefined ? [] : [judgeImage(reference, layers)];
      }),
    );
    return judged.flat();
  });
}

/** What one server of a service has mounted. @param server undefined when there is none, which another check says */
function examineServer(
  { subject, image, info }: Pick<Deployed, "subject" | "image" | "info">,
  { name, role }: { name: string; role: Role },
  server: Inspected | undefined,
): Promise<Finding[]>[] {
  if (server === undefined || server.Mounts.length === 0) {
    return [];
  }
  const { stack, host } = subject;
  const { Id, Name, Mounts, State } = server;
  const running = { container: Id, name: Name.slice(1), service: name, dockerHost: host.dockerHost };
  return [
    attempt("permissions", () =>
      checkPermissions(subject, image, { name, user: role.user, mounts: Mounts }, hasSelinux(info)),
    ),
    ...(State.Status === "running" && hasEnvironment(Mounts)
      ? [attempt("packages", async () => [await checkPackages(stack, running, configuredValue("imports", stack))])]
      : []),
  ];
}

/** What a service runs; undefined when the stack's file does not name it any more. */
function configuredRole(stack: string, application: Application, service: string): Role | undefined {
  const role = configuredServices(stack).get(service);
  return role === undefined ? undefined : roleOf(application, role);
}

/** The files of a service that answers by https. */
function tlsOf(service: string, url: string, stack: string): RunningService["tls"] {
  return url.startsWith("https:") ? configuredTls(stack).find(({ name }) => name === service)?.tls : undefined;
}

/** Services of further roles have none: their packages are part of their image, which nothing changes. */
function hasEnvironment(mounts: Inspected["Mounts"]): boolean {
  return mounts.some(({ Destination }) => Destination === MOUNTS.environment);
}

/** One server of each service, by the service's name: its replicas are alike. One that runs can say more. */
function serversOf(inspected: readonly Inspected[]): Map<string, Inspected> {
  const label = ({ Config }: Inspected, name: string): string => Config.Labels?.[`io.archon.${name}`] ?? "";
  const runs = ({ State }: Inspected): number => (State.Status === "running" ? 1 : 0);
  const servers = inspected.filter((each) => label(each, "component") === "server");
  return new Map(servers.sort((a, b) => runs(a) - runs(b)).map((each) => [label(each, "service"), each]));
}

/** The disk below a store that nothing but this machine can see yet. */
function checkLocalDisk({ stack, host, root }: Subject): Finding[] {
  if (!isLocal(host.dockerHost)) {
    return [];
  }
  let directory = root;
  while (!fs.existsSync(directory)) {
    directory = path.dirname(directory);
  }
  const { bavail, bsize, blocks, ffree } = fs.statfsSync(directory);
  const disk = { holds: `the store ${root}`, free: bavail * bsize, total: blocks * bsize, freeFiles: ffree };
  return [judgeDisk(disk, undefined, stack)];
}

/** The findings of checks that run at the same time, in the order of the checks. */
async function* inOrder(...checks: readonly Promise<Finding[]>[]): AsyncGenerator<Finding> {
  for (const check of checks) {
    yield* await check;
  }
}

const AGAIN = "correct that, then check again";

/** Runs a check; one that fails itself is a problem. */
async function attempt(check: string, work: () => Finding[] | Promise<Finding[]>): Promise<Finding[]> {
  const { findings } = await attemptWith(check, { findings: [] }, async () => ({ findings: await work() }));
  return findings;
}

/** Runs a check that also finds out something; where it fails itself, `otherwise` stands for that. */
async function attemptWith<T extends { findings: Finding[] }>(
  check: string,
  otherwise: T,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Interrupted) {
      throw error;
    }
    const reason = error instanceof CommandError ? error.lastLines.at(-1) : undefined;
    return { ...otherwise, findings: [problem(check, `could not be checked: ${reason ?? String(error)}`, AGAIN)] };
  }
}
