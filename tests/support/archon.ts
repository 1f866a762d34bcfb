import { spawn, type ChildProcess } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { createInterface } from "node:readline";
import type { ArchonConfig } from "../../applications/archon/application";
import type { PythonVersion } from "../../config/python";
import { referenceServer } from "../../applications/reference/application";
import { projectRoot } from "../../lib/paths";
import { docker, freePort, fullStack, type Checkout, type EngineStack } from "./engine";
import { writeLocks } from "./locks";

/** The eras of tests/fixtures/archon/README.md. */
export type ArchonEra = "2025-08" | "uv";

const fixtures = path.join(projectRoot, "tests", "fixtures", "archon");

/** Writes our stand-in for a checkout of Archon. @param directory may exist */
export function archonCheckout(era: ArchonEra, directory: string): void {
  for (const part of ["common", era]) {
    fs.cpSync(path.join(fixtures, part), directory, { recursive: true });
  }
}

/** A stack of the server of one stand-in, with the real ML environment and the demo model. */
export interface ArchonStack {
  stack: EngineStack;
  /** The stand-in, whose files a test may change. */
  directory: string;
}

/** @param backend what its server reaches */
export async function archonStack(checkout: Checkout, era: ArchonEra, backend: ArchonBackend): Promise<ArchonStack> {
  const { name, directory, application, subnet } = prepareStack(checkout, era, "3.11", backend);
  writeLocks(checkout, name, application, locks);
  const stack = await fullStack(checkout, { application, requirements: "", subnet }, name);
  return { stack, directory };
}

/** The services of {@link servicesStack}, in the order of its configuration. */
export const SERVICES = ["server", "mcp", "agents", "ui"] as const;

/**
 * A stack of all services of one stand-in on Python 3.13, with a small environment and no model: nothing is tried of what
 * needs them. The engine must have the base image: `./archon setup` makes it.
 * @param backend what its server reaches
 */
export async function servicesStack(checkout: Checkout, era: ArchonEra, backend: ArchonBackend): Promise<ArchonStack> {
  const { name, directory, application, subnet } = prepareStack(checkout, era, "3.13", backend);
  const { server: image, ...roles } = newerLocks;
  writeLocks(checkout, name, application, { image, roles });
  const services = await Promise.all(
    SERVICES.map(async (role) => ({ name: role, role, port: await freePort(), memoryMiB: 1024 })),
  );
  const configuration = {
    application: { ...application, smokeTest: false },
    requirements: "tests/support/locks/python3.13.txt",
    imports: ["wrapt"],
    services,
    subnet,
  };
  return { stack: await checkout.stack(configuration, name), directory };
}

function prepareStack(
  checkout: Checkout,
  era: ArchonEra,
  python: PythonVersion,
  { variables }: ArchonBackend,
): { name: string; directory: string; application: ArchonConfig; subnet: string } {
  const directory = path.join(checkout.directory, `archon-${era}`);
  archonCheckout(era, directory);
  const application = {
    kind: "archon" as const,
    source: directory,
    python,
    supabase: { url: variables.SUPABASE_URL, serviceKey: variables.SUPABASE_SERVICE_KEY },
    openaiBaseUrl: variables.OPENAI_BASE_URL,
    logLevel: "INFO" as const,
    smokeTest: true,
    keepModelLoaded: true,
    environment: [],
  };
  return {
    name: `test-${crypto.randomBytes(4).toString("hex")}`,
    directory,
    application,
    // The engine takes no such addresses by itself.
    subnet: `172.16.${crypto.randomInt(256)}.0/24`,
  };
}

/** One lock file of each image serves both eras. */
const locks = {
  image: path.join(fixtures, "requirements.server.minimal.txt"),
  environment: path.join(projectRoot, `${referenceServer.requirements.environment}.txt`),
};
/** For Python 3.13. That of the server has only what the stand-in imports. */
const newerLocks = {
  server: path.join(fixtures, "python3.13", "requirements.server.txt"),
  mcp: path.join(fixtures, "python3.13", "requirements.mcp.txt"),
  agents: path.join(fixtures, "python3.13", "requirements.agents.txt"),
};

/** Address of this machine that containers of every network reach. */
export function hostAddress(): string {
  // A new engine only says which network the bridge has, whose first address is then this machine's.
  const network = docker(
    "network",
    "inspect",
    "--format={{with index .IPAM.Config 0}}{{or .Gateway .Subnet}}{{end}}",
    "bridge",
  );
  return network.replace(/\.0\/\d+$/, ".1");
}

/** What a server of Archon needs around it: a database behind PostgREST, and embeddings. Its data ends with it. */
export class ArchonBackend {
  private constructor(
    private readonly processes: readonly ChildProcess[],
    /** Environment variables with which a server reaches both. */
    readonly variables: Readonly<Record<"SUPABASE_URL" | "SUPABASE_SERVICE_KEY" | "OPENAI_BASE_URL", string>>,
  ) {}

  /** @param address of this machine to listen on */
  static async start(address: string): Promise<ArchonBackend> {
    const key = serviceKey();
    const schema = path.join(fixtures, "common", "migration", "complete_setup.sql");
    const processes = [
      standIn("postgrest.mjs", address, "0", key, schema),
      standIn("embeddings.mjs", address, "0"),
    ] as const;
    try {
      const [database, embeddings] = await Promise.all([firstLine(processes[0]), firstLine(processes[1])]);
      return new ArchonBackend(processes, {
        SUPABASE_URL: database,
        SUPABASE_SERVICE_KEY: key,
        OPENAI_BASE_URL: embeddings,
      });
    } catch (error) {
      await stop(processes);
      throw error;
    }
  }

  async stop(): Promise<void> {
    await stop(this.processes);
  }
}

/** A token of the role that Archon asks for. Nothing checks its signature; the stand-in compares the whole. */
function serviceKey(): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ role: "service_role" })}`;
  return `${signed}.${crypto.createHmac("sha256", crypto.randomBytes(32)).update(signed).digest("base64url")}`;
}

function standIn(script: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [path.join(__dirname, "archon", script), ...args], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
}

/** The URL that a stand-in prints once it answers. */
async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) {
    throw new Error("The output of a stand-in is not read.");
  }
  for await (const line of createInterface(child.stdout)) {
    return line;
  }
  throw new Error(`${child.spawnargs.join(" ")} ended before it answered; its error is above.`);
}

async function stop(processes: readonly ChildProcess[]): Promise<void> {
  for (const child of processes.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill();
    await once(child, "exit");
  }
}
