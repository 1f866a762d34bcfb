import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { DEFAULT_BASE_IMAGE, findCaBundle, readMachine, writeMachine, type Machine } from "../../config/machine";
import { chosenBaseImage, configuredBaseImage, devStack } from "../../config/stack";
import { writeAtomically } from "../../lib/files";
import { cacheDirectory, display, projectRoot, toolsFile } from "../../lib/paths";
import { imageExists } from "../lib/docker";
import { buildPulumiEnvironment, readToolsRecord, type ToolsRecord } from "../lib/environment";
import { Steps } from "../lib/progress";
import { ensureBaseImage } from "./base-image";
import { ensureDocker, findEngine } from "./docker";
import { ensurePulumi } from "./pulumi";
import { ensureStack, hasStack } from "./stack";

/** Runs the set-up if a part of it is missing, and prints nothing otherwise. */
export async function ensureSetup(steps: Steps): Promise<void> {
  if (!(await isSetUp())) {
    await setUp(steps);
  }
}

/** Runs every step of the set-up. Each step keeps what already exists. */
export async function setUp(steps: Steps): Promise<void> {
  const recorded = readMachine();
  const caBundle = findCaBundle();

  const engine = await steps.run(
    "Docker engine",
    (progress) => ensureDocker(recorded.dockerHost, progress),
    ({ version }) => version,
  );
  const configured = configuredBaseImage();
  const baseImage = await steps.run(
    "Base image",
    (progress) =>
      ensureBaseImage({ configured, recorded: recorded.baseImage, caBundle, engineHost: engine.host }, progress),
    (reference) => reference,
  );
  // What the stack configures says nothing about this machine.
  const found = baseImage === configured ? recorded.baseImage : baseImage;
  const machine = machineOf(found === DEFAULT_BASE_IMAGE ? undefined : found, caBundle, engine.host);
  writeMachine(machine);

  const tools = await steps.run(
    "Pulumi",
    (progress) => ensurePulumi(cacheDirectory(), progress),
    ({ version, origin }) => `${version} (${origin})`,
  );
  const record: ToolsRecord = { tools, fingerprint: toolsFingerprint() };
  writeAtomically(toolsFile, `${JSON.stringify(record, undefined, 2)}\n`, 0o644);

  await steps.run(
    `Stack ${devStack}`,
    () => ensureStack(devStack, buildPulumiEnvironment(tools, machine, process.env)),
    () => "",
  );
}

/** Whether every step of the set-up is already done. Takes a fraction of a second. */
async function isSetUp(): Promise<boolean> {
  const record = readToolsRecord();
  if (record?.fingerprint !== toolsFingerprint() || !isInstalled(record) || !hasStack(devStack)) {
    return false;
  }
  const machine = readMachine();
  if (machine.caBundle !== findCaBundle()) {
    return false;
  }
  const [found, present] = await Promise.all([
    findEngine(machine.dockerHost),
    imageExists(chosenBaseImage(), machine.dockerHost),
  ]);
  return found.engine !== undefined && present;
}

function machineOf(
  baseImage: string | undefined,
  caBundle: string | undefined,
  dockerHost: string | undefined,
): Machine {
  return {
    ...(baseImage === undefined ? {} : { baseImage }),
    ...(caBundle === undefined ? {} : { caBundle }),
    ...(dockerHost === undefined ? {} : { dockerHost }),
  };
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
