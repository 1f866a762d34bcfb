import * as path from "node:path";
import type { Problem } from "../../config/problems";
import type { FurtherRole } from "../../config/schema";
import { commitDate } from "../../lib/git";
import { pulledImage, type Application, type ApplicationRole, type PulledImage } from "../application";
import { pythonRole, type RoleSources } from "../python/role";
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
    const described = describe(config, role, { source, lockDirectory });
    if ("reason" in described) {
      problems.push(described);
      return [];
    }
    return [[role, described]];
  });
  return found.length === roles.length ? Object.fromEntries(found) : undefined;
}

function describe(
  config: ArchonConfig,
  role: FurtherRole,
  { source, lockDirectory }: Omit<RolesOf, "roles">,
): ApplicationRole | Problem {
  if (source === undefined) {
    const reference = config.roleImages?.[role];
    if (reference === undefined) {
      return {
        path: ["application", "roleImages", role],
        reason: "must name an image, because a service has this role and the application is not built here",
      };
    }
    const image = pulledImage(reference);
    return role === "ui" ? archonUi(image) : archonProgram(config, role, image);
  }
  const unusable = (reason: string): Problem => ({ path: ["application", "source"], received: config.source, reason });
  if (role === "ui") {
    const sources = readArchonUi(source);
    return typeof sources === "string" ? unusable(sources) : archonUi(sources);
  }
  const sources = sourcesOf(config, role, source, lockDirectory);
  return typeof sources === "string" ? unusable(sources) : archonProgram(config, role, sources);
}

function archonUi(image: Parameters<typeof uiRole>[0]): ApplicationRole {
  return uiRole(image, { port: PORTS.ui, alias: ALIASES.ui, server: SERVER_URL });
}

function archonProgram(
  config: ArchonConfig,
  role: keyof typeof programs,
  image: RoleSources | PulledImage,
): ApplicationRole {
  const { variables, ...rest } = programs[role];
  return pythonRole({
    image,
    port: PORTS[role],
    aliases: [ALIASES[role]],
    variables: { ...sharedVariables(config), ...variables },
    ...rest,
  });
}

/** @returns what is wrong with the checkout, as the end of a sentence that begins with its path, when it cannot be built */
function sourcesOf(
  config: ArchonConfig,
  role: keyof typeof programs,
  source: string,
  lockDirectory: string,
): RoleSources | string {
  const context = path.join(source, "python");
  const program = readArchonProgram(context, role);
  if (typeof program === "string") {
    return program;
  }
  const { paths, module, requirements } = program;
  return {
    repository: ALIASES[role],
    sources: {
      context,
      files: "src",
      paths,
      command:
        role === "mcp"
          ? ["python3", "-m", module]
          : ["python3", "-m", "uvicorn", `${module}:app`, "--host", "0.0.0.0", "--port", String(PORTS[role])],
      requirements: () => groupRequirements(requirements, role),
    },
    module,
    lockDirectory: `${lockDirectory}/${role}`,
    until: () => config.packagesUntil ?? commitDate(source),
  };
}
