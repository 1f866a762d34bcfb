import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../lib/errors";
import { display, machineFile } from "../lib/paths";

/** Facts about this machine that the program needs and that no committed file can know. `config.ts` reads them. */
export interface Machine {
  /** An image of our own making, where the pinned one cannot be pulled. */
  baseImage?: string;
  /** Absolute path of the PEM bundle with the certificate authorities that this machine trusts. */
  caBundle?: string;
  /** Where the Docker engine listens, if not at Docker's default socket. */
  dockerHost?: string;
}

const keys = ["baseImage", "caBundle", "dockerHost"] as const satisfies readonly (keyof Machine)[];

/** The facts recorded so far; none on a fresh checkout. */
export function readMachine(file: string = machineFile): Machine {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return {};
    }
    throw error;
  }
  return parseMachine(text, file);
}

function parseMachine(text: string, file: string): Machine {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) {
      const entries = keys
        .map((key) => [key, (value as Record<string, unknown>)[key]] as const)
        .filter(([, fact]) => typeof fact === "string" && fact !== "");
      return Object.fromEntries(entries);
    }
  } catch {
    // Told below, together with JSON that is no object.
  }
  throw new UserError(
    `${display(file)} is not a JSON object. It holds only what the set-up found out: remove it and run \`npm run setup\`.`,
  );
}

/** Records the facts in one step, so that a reader never sees half of them. A file that says the same is left alone. */
export function writeMachine(machine: Machine, file: string = machineFile): void {
  const entries = keys.filter((key) => machine[key] !== undefined).map((key) => [key, machine[key]] as const);
  writeAtomically(file, `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`, 0o644);
}

/** Writes `file` by renaming a complete one over it; does nothing when it already holds `text`. */
export function writeAtomically(file: string, text: string, mode: number): void {
  if (fs.existsSync(file) && fs.readFileSync(file, "utf8") === text) {
    return;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, text, { mode });
  fs.renameSync(temporary, file);
}

/** Where tools look for certificate authorities, the most general first. */
const caVariables = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] as const;

/** The bundle that the environment points tools to: a sign that TLS here goes through an authority of its own. */
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
