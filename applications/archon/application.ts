import * as path from "node:path";
import type { ApplicationConfig, FurtherRole } from "../../config/schema";
import type { Problem } from "../../config/problems";
import { pythonApplication, type PythonSources } from "../python/application";
import { pulledImage, type Application } from "../application";
import { readArchonCheckout, serverRequirements } from "./checkout";
import { archonRoles, PORTS, SERVER, sharedVariables } from "./roles";
import { settingsProblems } from "./settings";

export type ArchonConfig = Extract<ApplicationConfig, { kind: "archon" }>;

const port = PORTS.server;

/** The model that Archon's code names, whatever its settings say. It looks for it below its working directory first. */
const HARD_WIRED_MODEL = "cross-encoder/ms-marco-MiniLM-L-6-v2";

/** The server gives secrets to its agents only if their address is among these; others get 403. */
const NETWORK = "172.16.0.0/12";

/** A ready server says so in its answer. */
const READY = '"ready": ?true';

/**
 * The server of a checkout of Archon, which is not changed, or of an image of it.
 * @param source absolute path of the checkout; undefined for an image
 * @param lockDirectory directory for its lock files, relative to the project
 * @param roles the further roles that the stack deploys
 * @returns undefined when the checkout or a setting is not usable; `problems` says why
 */
export function archonApplication(
  config: ArchonConfig,
  source: string | undefined,
  lockDirectory: string,
  roles: readonly FurtherRole[],
  problems: Problem[],
): Application | undefined {
  problems.push(...settingsProblems(config));
  const image = config.image === undefined ? sourcesOf(config, source, problems) : pulledImage(config.image);
  const described = archonRoles(config, { source, lockDirectory, roles }, problems);
  if (image === undefined || described === undefined) {
    return undefined;
  }
  const server = pythonApplication({
    name: config.kind,
    python: config.python,
    image,
    port,
    // The server scores in its event loop, and answers nothing meanwhile.
    health: { path: "/health", body: READY, timeoutSeconds: 30 },
    lockDirectory,
    variables: {
      ...sharedVariables(config),
      SUPABASE_URL: config.supabase.url,
      AGENTS_ENABLED: String(roles.includes("agents")),
      // Read by keep_model_loaded.py.
      ARCHON_KEEP_MODEL_LOADED: config.keepModelLoaded ? "1" : "",
    },
    secrets: { SUPABASE_SERVICE_KEY: config.supabase.serviceKey },
    modules: ["src.server.main"],
    modelDirectory: `/app/${HARD_WIRED_MODEL}`,
    smokeTest: config.smokeTest
      ? { program: path.posix.join("applications", "archon", "smoke_test.py"), arguments: [String(port)] }
      : undefined,
    aliases: [SERVER],
    network: NETWORK,
    stopSeconds: 30,
  });
  return { ...server, roles: described };
}

function sourcesOf(config: ArchonConfig, source: string | undefined, problems: Problem[]): PythonSources | undefined {
  if (source === undefined) {
    return undefined;
  }
  const checkout = readArchonCheckout(source);
  if (typeof checkout === "string") {
    problems.push({ path: ["application", "source"], received: config.source, reason: checkout });
    return undefined;
  }
  const { context, asgiApplication, paths, requirements } = checkout;
  return {
    context,
    files: "src",
    paths,
    command: ["python3", "-m", "uvicorn", asgiApplication, "--host", "0.0.0.0", "--port", String(port)],
    requirements: () => [...serverRequirements(requirements), ...(config.packages ?? [])],
    environment: config.environment ?? [],
    startupModule: path.join(__dirname, "keep_model_loaded.py"),
  };
}
