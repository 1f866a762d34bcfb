import * as path from "node:path";
import type { ApplicationConfig } from "../../config/schema";
import type { Problem } from "../../config/problems";
import { pythonApplication, type PythonSources } from "../python/application";
import { pulledImage, type Application } from "../application";
import { readArchonCheckout, serverRequirements } from "./checkout";
import { settingsProblems } from "./settings";

export type ArchonConfig = Extract<ApplicationConfig, { kind: "archon" }>;

const port = 8181;

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
 * @returns undefined when the checkout or a setting is not usable; `problems` says why
 */
export function archonApplication(
  config: ArchonConfig,
  source: string | undefined,
  lockDirectory: string,
  problems: Problem[],
): Application | undefined {
  problems.push(...settingsProblems(config));
  const image = config.image === undefined ? sourcesOf(config, source, problems) : pulledImage(config.image);
  if (image === undefined) {
    return undefined;
  }
  return pythonApplication({
    name: config.kind,
    python: config.python,
    image,
    port,
    // The server scores in its event loop, and answers nothing meanwhile.
    health: { path: "/health", body: READY, timeoutSeconds: 30 },
    lockDirectory,
    variables: {
      SUPABASE_URL: config.supabase.url,
      SERVICE_DISCOVERY_MODE: "docker_compose",
      LOG_LEVEL: config.logLevel,
      ARCHON_SERVER_PORT: String(port),
      ARCHON_MCP_PORT: "8051",
      ARCHON_AGENTS_PORT: "8052",
      AGENTS_ENABLED: "false",
      // Read by keep_model_loaded.py.
      ARCHON_KEEP_MODEL_LOADED: config.keepModelLoaded ? "1" : "",
      ...(config.openaiBaseUrl === undefined ? {} : { OPENAI_BASE_URL: config.openaiBaseUrl }),
    },
    secrets: { SUPABASE_SERVICE_KEY: config.supabase.serviceKey },
    modules: ["src.server.main"],
    modelDirectory: `/app/${HARD_WIRED_MODEL}`,
    smokeTest: config.smokeTest
      ? { program: path.posix.join("applications", "archon", "smoke_test.py"), arguments: [String(port)] }
      : undefined,
    aliases: ["archon-server"],
    network: NETWORK,
    stopSeconds: 30,
  });
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
  const { context, asgiApplication, requirements } = checkout;
  return {
    context,
    files: "src",
    command: ["python3", "-m", "uvicorn", asgiApplication, "--host", "0.0.0.0", "--port", String(port)],
    requirements: () => [...serverRequirements(requirements), ...(config.packages ?? [])],
    environment: config.environment ?? [],
    startupModule: path.join(__dirname, "keep_model_loaded.py"),
  };
}
