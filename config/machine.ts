import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { UserError } from "../lib/errors";
import { writeAtomically } from "../lib/files";
import { display, machineFile } from "../lib/paths";
import { proxyNotice } from "../lib/proxies";
import { DEBIANS, DEFAULT_PYTHON, PYTHON_VERSIONS, type PythonVersion } from "./python";
import type { StackConfig } from "./schema";

/** Where the Docker engine listens by default. */
export const DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock";

/** A fact that is empty or of another type counts as unknown. */
const fact = z.string().min(1).optional().catch(undefined);

/** Facts about this machine that no committed file can know. The set-up writes them to `.archon/machine.json`. */
const machineSchema = z.object({
  /** Base image of the default Python that the set-up built or found because the pinned one cannot be pulled. */
  baseImage: fact,
  /** Those of the other versions. Apart, because earlier commits of the checkout read `baseImage`. */
  baseImages: z.partialRecord(z.enum(PYTHON_VERSIONS), z.string().min(1).optional()).optional().catch(undefined),
  /** Absolute path of the PEM bundle with the certificate authorities that this machine trusts. */
  caBundle: fact,
  /** Where the Docker engine listens, if not at Docker's default socket. */
  dockerHost: fact,
});

type Facts = z.infer<typeof machineSchema>;
export type Machine = { [key in keyof Facts]?: Facts[key] };

/** The facts recorded so far; none on a fresh checkout. @throws UserError for a file that is not a JSON object */
export function readMachine(file: string = machineFile): Machine {
  if (!fs.existsSync(file)) {
    return {};
  }
  return withoutUnknown(parse(fs.readFileSync(file, "utf8"), file));
}

/** Records the facts atomically. A file that says the same is left alone. */
export function writeMachine(machine: Machine, file: string = machineFile): void {
  writeAtomically(file, `${JSON.stringify(withoutUnknown(machine), undefined, 2)}\n`, 0o644);
}

/** The base image that the set-up recorded for a version of Python. */
export function recordedBaseImage(machine: Machine, python: PythonVersion): string | undefined {
  return python === DEFAULT_PYTHON ? machine.baseImage : machine.baseImages?.[python];
}

/** The facts with another base image for a version of Python. @param image undefined for the pinned one */
export function withBaseImage(machine: Machine, python: PythonVersion, image: string | undefined): Machine {
  return python === DEFAULT_PYTHON
    ? { ...machine, baseImage: image }
    : { ...machine, baseImages: { ...machine.baseImages, [python]: image } };
}

/** What a stack's configuration says about its host: each may leave the choice to the machine. */
export interface HostConfig extends Pick<StackConfig, keyof StackHost> {
  /** The version that its application runs on. */
  python: PythonVersion;
}

/** The host that a stack runs on. */
export interface StackHost {
  /** Address of the engine, such as `unix:///var/run/docker.sock`. */
  dockerHost: string;
  baseImage: string;
  /** Absolute path on the host of a PEM file; undefined for the image's own authorities. */
  caBundle: string | undefined;
}

/**
 * Where a stack runs, for the program and the commands alike: on the engine that its configuration names, else the one
 * of `DOCKER_HOST`, else the one that the set-up found, else Docker's default socket. A configuration that names an
 * engine wins over `DOCKER_HOST`, as explicit arguments of a Pulumi provider win over variables, so that no update lands
 * on another machine because of the shell that it was started in.
 *
 * The machine's base image and authorities are those of the engine that the set-up found. Another engine that a stack
 * names has neither.
 */
export function hostOf(config: HostConfig, machine: Machine, environment: NodeJS.ProcessEnv = process.env): StackHost {
  const named = config.dockerHost === "" ? undefined : config.dockerHost;
  const facts = isMachineEngine(named, machine) ? machine : {};
  return {
    dockerHost: named ?? (environment["DOCKER_HOST"] || machine.dockerHost || DEFAULT_DOCKER_HOST),
    baseImage:
      config.baseImage === "auto"
        ? (recordedBaseImage(facts, config.python) ?? DEBIANS[config.python].image)
        : config.baseImage,
    caBundle: caBundleOf(config.caBundle, facts),
  };
}

/** Environment variable by which a command tells the program that a person has read the notices already. */
export const NOTICES_SHOWN = "ARCHON_NOTICES_SHOWN";

/** What a person must know whose environment has settings that a stack does not use. Nothing if it was shown already. */
export function environmentNotices(
  stack: string,
  dockerHost: string,
  environment: NodeJS.ProcessEnv = process.env,
): string[] {
  const notices = environment[NOTICES_SHOWN]
    ? []
    : [engineNotice(stack, dockerHost, environment), proxyNotice(environment)];
  return notices.filter((notice) => notice !== undefined);
}

/** What a person must know whose `DOCKER_HOST` is not the engine that the stack uses; undefined where it is, or is not set. */
function engineNotice(stack: string, dockerHost: string, environment: NodeJS.ProcessEnv): string | undefined {
  const variable = environment["DOCKER_HOST"] || dockerHost;
  return variable === dockerHost
    ? undefined
    : `DOCKER_HOST is ${variable}, but archon:dockerHost of the stack ${stack} is ${dockerHost}, which is used. ` +
        "Unset DOCKER_HOST, or set it to that address; to move the stack to the other engine, change the key.";
}

/** Whether the engine that a configuration names, if any, is the one that the set-up found or would look for. */
export function isMachineEngine(named: string | undefined, machine: Machine): boolean {
  return named === undefined || named === (machine.dockerHost ?? DEFAULT_DOCKER_HOST);
}

function caBundleOf(choice: string, machine: Machine): string | undefined {
  if (choice === "auto") {
    return machine.caBundle;
  }
  return choice === "none" ? undefined : choice;
}

function parse(text: string, file: string): Machine {
  try {
    return machineSchema.parse(JSON.parse(text));
  } catch {
    throw new UserError(
      `${display(file)} is not a JSON object. It holds only what the set-up found: remove it and run \`./archon setup\`.`,
    );
  }
}

/** The known facts in the order of the schema, so that the same facts give the same file. */
function withoutUnknown(machine: Machine): Machine {
  const keys = Object.keys(machineSchema.shape) as (keyof Machine)[];
  return Object.fromEntries(keys.flatMap((key) => (machine[key] === undefined ? [] : [[key, machine[key]]])));
}

/** Environment variables that tell tools where certificate authorities are, the most general first. */
const caVariables = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] as const;

/**
 * The CA bundle that environment variables of this machine name: a sign that its TLS goes through an authority of its
 * own. Undefined when none of them names a readable file by an absolute path.
 */
export function findCaBundle(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  return caVariables
    .map((name) => environment[name])
    .filter((file): file is string => file !== undefined && path.isAbsolute(file))
    .find(isReadableFile);
}

function isReadableFile(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.R_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
