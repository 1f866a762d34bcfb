import * as path from "node:path";
import type { Problem } from "../../config/problems";
import type { FurtherRole } from "../../config/schema";
import { commitDate } from "../../lib/git";
import type { Application, ApplicationRole } from "../application";
import { pythonRole } from "../python/role";
import type { ArchonConfig } from "./application";
import { groupRequirements, readArchonProgram, readArchonUi } from "./checkout";
import { uiRole } from "./ui/role";

/** Ports of the services inside their containers: those of Archon's compose file. */
export const PORTS = { server: 8181, mcp: 8051, agents: 8052, ui: 3737 } as const;

/** The names that the services have in each other's code. */
export const SERVER = "archon-server";
const ALIASES = { mcp: "archon-mcp", agents: "archon-agents", ui: "archon-ui" } as const;

const SERVER_URL = `http://${SERVER}:${PORTS.server}`;

/** Variables that all Python services of Archon read. */
export function sharedVariables({ logLevel, openaiBaseUrl }: ArchonConfig): Record<string, string> {
  return {
    SERVICE_DISCOVERY_MODE: "docker_compose",
    LOG_LEVEL: logLevel,
    ARCHON_SERVER_PORT: String(PORTS.server),
    ARCHON_MCP_PORT: String(PORTS.mcp),
    ARCHON_AGENTS_PORT: String(PORTS.agents),
    ...(openaiBaseUrl === undefined ? {} : { OPENAI_BASE_URL: openaiBaseUrl }),
  };
}

/** What each Python role is told besides. None of them gets the key of the database: they ask the server. */
const programs = {
  mcp: {
    variables: {
      API_SERVICE_URL: SERVER_URL,
      AGENTS_SERVICE_URL: `http://${ALIASES.agents}:${PORTS.agents}`,
      // It speaks streamable HTTP whatever stands here, and does not start without a value.
      TRANSPORT: "sse",
    },
    // It has no path of its own to ask for, and every request of its protocol opens a session.
    health: undefined,
    soleReplica: "a session of the MCP server lives in one process, and the next request may reach the other",
  },
  agents: {
    variables: { API_SERVICE_URL: SERVER_URL, MCP_SERVICE_URL: `http://${ALIASES.mcp}:${PORTS.mcp}` },
    health: "/health",
  },
} as const;

export interface RolesOf {
  /** Absolute path of the checkout; undefined for an image. */
  source: string | undefined;
  /** Directory for the lock files of the stack, relative to the project. */
  lockDirectory: string;
  /** The roles that the stack deploys. */
  roles: readonly FurtherRole[];
}

/**
 * The roles of a checkout besides its server.
 * @returns undefined when one cannot be deployed; `problems` says why
 */
export function archonRoles(
  config: ArchonConfig,
  { source, lockDirectory, roles }: RolesOf,
  problems: Problem[],
): Application["roles"] {
  const found = roles.flatMap((role): [FurtherRole, ApplicationRole][] => {
    const described = source === undefined ? NO_SOURCE : describe(config, role, source, lockDirectory);
    if (typeof described === "string") {
      const field = source === undefined ? "image" : "source";
      problems.push({ path: ["application", field], received: config[field], reason: described });
      return [];
    }
    return [[role, described]];
  });
  return found.length === roles.length ? Object.fromEntries(found) : undefined;
}

const NO_SOURCE =
  "is that of the server alone; a service of another role is built from a checkout: name its `source` instead, " +
  "or remove the services of other roles";

function describe(
  config: ArchonConfig,
  role: FurtherRole,
  source: string,
  lockDirectory: string,
): ApplicationRole | string {
  if (role === "ui") {
    const ui = readArchonUi(source);
    return typeof ui === "string" ? ui : uiRole(ui, { port: PORTS.ui, alias: ALIASES.ui, server: SERVER_URL });
  }
  const context = path.join(source, "python");
  const program = readArchonProgram(context, role);
  if (typeof program === "string") {
    return program;
  }
  const { paths, module, requirements } = program;
  const { variables, ...rest } = programs[role];
  const port = PORTS[role];
  return pythonRole({
    repository: ALIASES[role],
    sources: {
      context,
      files: "src",
      paths,
      command:
        role === "mcp"
          ? ["python3", "-m", module]
          : ["python3", "-m", "uvicorn", `${module}:app`, "--host", "0.0.0.0", "--port", String(port)],
      requirements: () => groupRequirements(requirements, role),
    },
    module,
    lockDirectory: `${lockDirectory}/${role}`,
    until: () => config.packagesUntil ?? commitDate(source),
    port,
    aliases: [ALIASES[role]],
    variables: { ...sharedVariables(config), ...variables },
    ...rest,
  });
}
