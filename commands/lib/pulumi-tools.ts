import * as path from "node:path";
import { projectRoot } from "../../lib/paths";

/** A Pulumi CLI with its Node.js language host, and a home directory that holds every plugin. */
export interface PulumiTools {
  /** Absolute path, for PULUMI_HOME. */
  home: string;
  /** Absolute path of the directory to put before PATH; undefined when the CLI is found on PATH as it is. */
  binDirectory: string | undefined;
  /** Without a leading `v`. */
  version: string;
  origin: "path" | "download" | "built";
}

/** The environment variables with which these tools use no other plugins and download nothing on their own. */
export function toolsEnvironment(tools: PulumiTools, environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const searchPath = [tools.binDirectory, environment.PATH].filter((part) => part !== undefined && part !== "");
  return {
    ...environment,
    PATH: searchPath.join(path.delimiter),
    PULUMI_HOME: tools.home,
    PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(tools.origin === "built" && {
      PULUMI_LANGUAGE_NODEJS_RUN_PATH: path.join(projectRoot, "toolchain", "run-program.cjs"),
    }),
  };
}
