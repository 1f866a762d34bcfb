import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import {
  DEFAULT_DOCKER_HOST,
  environmentNotices,
  findCaBundle,
  isMachineEngine,
  readMachine,
  recordedBaseImage,
  withBaseImage,
  writeMachine,
  type Machine,
} from "../../config/machine";
import { DEBIANS } from "../../config/python";
import {
  configuredBaseImage,
  configuredPython,
  configuredValue,
  devStack,
  namedEngine,
  stackHost,
} from "../../config/stack";
import { writeAtomically } from "../../lib/files";
import { cacheDirectory, display, projectRoot, toolsFile } from "../../lib/paths";
import { imageExists } from "../lib/docker";
import { displayUrl, findBackend, type Backend } from "../lib/backend";
import { buildPulumiEnvironment, readToolsRecord, type ToolsRecord } from "../lib/environment";
import { Steps } from "../lib/progress";
import type { PulumiTools } from "../lib/pulumi-tools";
import { ensureBaseImage } from "./base-image";
import { ensureDocker, findEngine, requireEngine } from "./docker";
import { checkEngine } from "./engine-check";
import { ensurePulumi } from "./pulumi";
import { ensureReady, isReady } from "./stack";

/**
 * Runs the set-up if a part of it is missing, and prints nothing otherwise.
 * @param stack that the command works on: its engine must answer. @default the stack `dev`
 */
export async function ensureSetup(steps: Steps, stack: string = devStack): Promise<void> {
  const notices = [...environmentNotices(stack, stackHost(stack).dockerHost), ...backendNotices(findBackend())];
  notices.forEach((notice) => console.error(notice));
  if (!(await isSetUp(stack))) {
    await setUp(steps, stack);
  }
}

/** Which backend is used, where it is not the one that a checkout has by itself. */
function backendNotices({ url, source }: Backend): string[] {
  return source === "embedded" ? [] : [`State: ${displayUrl(url)} (${source})`];
}

/** Runs every step of the set-up. Each step keeps what already exists. */
export async function setUp(steps: Steps, stack: string = devStack): Promise<void> {
  const recorded = readMachine();
  const named = namedEngine(stack);
  // DOCKER_HOST would lead the search for an engine to another one.
  const search = named === undefined || (isMachineEngine(named, recorded) && !process.env.DOCKER_HOST);
  const machine = search ? await setUpEngine(steps, stack, recorded) : await checkNamedEngine(steps, stack, recorded);
  writeMachine(machine);

  const tools = await steps.run(
    "Pulumi",
    (progress) => ensurePulumi(cacheDirectory(), progress),
    ({ version, origin }) => `${version} (${origin})`,
  );
  const record: ToolsRecord = { tools, fingerprint: toolsFingerprint() };
  writeAtomically(toolsFile, `${JSON.stringify(record, undefined, 2)}\n`, 0o644);

  const backend = findBackend();
  await steps.run(
    backend.source === "embedded" ? `Stack ${devStack}` : "State",
    () => ensureReady(devStack, backend, buildPulumiEnvironment(tools, process.env, backend)),
    () => (backend.source === "embedded" ? "" : displayUrl(backend.url)),
  );
}

/** Finds, starts or installs this machine's engine, and makes its base image available. Returns the facts to record. */
async function setUpEngine(steps: Steps, stack: string, recorded: Machine): Promise<Machine> {
  const caBundle = findCaBundle();
  const engine = await steps.run(
    "Docker engine",
    async (progress) => {
      const found = await ensureDocker(recorded.dockerHost, progress);
      const dockerHost = found.host ?? DEFAULT_DOCKER_HOST;
      await checkEngine({ stack, dockerHost, root: configuredValue("root", stack) }, progress);
      return found;
    },
    ({ version }) => version,
  );
  const configured = configuredBaseImage(stack);
  const python = configuredPython(stack);
  const known = recordedBaseImage(recorded, python);
  const baseImage = await steps.run(
    "Base image",
    (progress) => ensureBaseImage({ python, configured, recorded: known, caBundle, engineHost: engine.host }, progress),
    (reference) => reference,
  );
  // What the stack configures says nothing about this machine, and neither does what DOCKER_HOST says today.
  const found = baseImage === configured ? known : baseImage;
  const dockerHost = process.env.DOCKER_HOST ? recorded.dockerHost : engine.host;
  return withBaseImage(
    { ...recorded, caBundle, dockerHost },
    python,
    found === DEBIANS[python].image ? undefined : found,
  );
}

/** Checks the engine of another machine, which only its people can set up. Returns the facts to record. */
async function checkNamedEngine(steps: Steps, stack: string, recorded: Machine): Promise<Machine> {
  const { dockerHost, baseImage } = stackHost(stack);
  await steps.run(
    "Docker engine",
    async (progress) => {
      const found = await requireEngine(stack, dockerHost);
      await checkEngine({ stack, dockerHost, root: configuredValue("root", stack) }, progress);
      return found;
    },
    ({ version }) => `${version} at ${dockerHost}`,
  );
  await steps.run(
    "Base image",
    (progress) =>
      ensureBaseImage(
        {
          python: configuredPython(stack),
          configured: baseImage,
          recorded: undefined,
          caBundle: undefined,
          engineHost: dockerHost,
        },
        progress,
      ),
    (reference) => reference,
  );
  return { ...recorded, caBundle: findCaBundle() };
}

/** Whether every step of the set-up is already done. Takes a fraction of a second. */
async function isSetUp(stack: string): Promise<boolean> {
  if (currentTools() === undefined || !isReady(devStack, findBackend())) {
    return false;
  }
  const machine = readMachine();
  if (machine.caBundle !== findCaBundle()) {
    return false;
  }
  const { dockerHost, baseImage } = stackHost(stack);
  const [found, present] = await Promise.all([
    findEngine(machine.dockerHost, namedEngine(stack)),
    imageExists(baseImage, dockerHost),
  ]);
  return found.engine !== undefined && present;
}

/** The Pulumi that the last set-up chose; undefined when it is gone, or other releases are pinned since. */
export function currentTools(): PulumiTools | undefined {
  const record = readToolsRecord();
  return record?.fingerprint === toolsFingerprint() && isInstalled(record) ? record.tools : undefined;
}

function isInstalled({ tools }: ToolsRecord): boolean {
  return (
    fs.existsSync(tools.home) &&
    (tools.binDirectory === undefined || fs.existsSync(path.join(tools.binDirectory, "pulumi")))
  );
}

/** Changes with the pinned releases of Pulumi, its SDKs and its plugins. */
function toolsFingerprint(): string {
  const hash = createHash("sha256");
  const lock = path.join(projectRoot, "package-lock.json");
  const modules = fs.readdirSync(path.join(projectRoot, "toolchain")).sort();
  for (const file of [lock, ...modules.map((name) => path.join(projectRoot, "toolchain", name, "go.mod"))]) {
    hash.update(display(file)).update("\0");
    hash.update(fs.existsSync(file) ? fs.readFileSync(file) : "").update("\0");
  }
  return hash.digest("hex");
}
