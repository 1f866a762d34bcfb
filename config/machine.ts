import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { UserError } from "../lib/errors";
import { writeAtomically } from "../lib/files";
import { display, machineFile } from "../lib/paths";

/**
 * The image that everything is built from when configuration says `baseImage: auto` and the set-up found nothing else:
 * Debian bookworm with CPython 3.11, pinned by the digest of its multi-platform index.
 */
export const DEFAULT_BASE_IMAGE =
  "python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b";

/** Where the Docker engine listens by default. */
export const DEFAULT_DOCKER_HOST = "unix:///var/run/docker.sock";

/** A fact that is empty or of another type counts as unknown. */
const fact = z.string().min(1).optional().catch(undefined);

/** Facts about this machine that no committed file can know. The set-up writes them to `.archon/machine.json`. */
const machineSchema = z.object({
  /** Base image that the set-up built or found because the pinned one cannot be pulled. */
  baseImage: fact,
  /** Absolute path of the PEM bundle with the certificate authorities that this machine trusts. */
  caBundle: fact,
  /** Where the Docker engine listens, if not at Docker's default socket. */
  dockerHost: fact,
});

export type Machine = { [key in keyof z.infer<typeof machineSchema>]?: string };

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

/** Where the engine listens: `DOCKER_HOST` first, then what the set-up found, then Docker's default socket. */
export function dockerHostOf({ dockerHost }: Machine): string {
  return process.env["DOCKER_HOST"] || dockerHost || DEFAULT_DOCKER_HOST;
}

function parse(text: string, file: string): Machine {
  try {
    return machineSchema.parse(JSON.parse(text)) as Machine;
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
