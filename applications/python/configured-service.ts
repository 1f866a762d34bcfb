import * as fs from "node:fs";
import * as path from "node:path";
import type { Problem } from "../../config/problems";
import type { ApplicationConfig } from "../../config/schema";
import { pulledImage, type Application } from "../application";
import { pythonApplication, type PythonSources } from "./application";
import { requirementLines } from "./requirements";

export type PythonConfig = Extract<ApplicationConfig, { kind: "python" }>;

/**
 * A Python server as the configuration describes it.
 * @param source absolute path of its directory; undefined for an image
 * @param lockDirectory directory for its lock files, relative to the project
 * @returns undefined when its files cannot be used; `problems` says which
 */
export function configuredService(
  config: PythonConfig,
  source: string | undefined,
  lockDirectory: string,
  problems: Problem[],
): Application | undefined {
  const image = config.image === undefined ? sourcesOf(config, source, problems) : pulledImage(config.image);
  if (image === undefined) {
    return undefined;
  }
  return pythonApplication({
    name: config.kind,
    python: config.python,
    image,
    port: config.port,
    health: { path: config.health, timeoutSeconds: 5 },
    lockDirectory,
    writable: config.writable,
    modules: config.modules ?? namedModules(config.command ?? []),
    modelDirectory: config.modelDirectory,
    stopSeconds: 30,
  });
}

function sourcesOf(config: PythonConfig, source: string | undefined, problems: Problem[]): PythonSources | undefined {
  if (source === undefined) {
    return undefined;
  }
  const { files = ".", requirements = ["requirements.txt"], command = [], environment = [], packages = [] } = config;
  const found = fileProblems({ given: config.source, files, requirements }, source);
  if (found.length > 0) {
    problems.push(...found);
    return undefined;
  }
  return {
    context: source,
    files,
    command,
    requirements: () => [
      ...requirements.flatMap((file) => requirementLines(fs.readFileSync(path.join(source, file), "utf8"), file)),
      ...packages,
    ],
    environment,
  };
}

/** Modules that a command names as `module:attribute`, as it does for uvicorn and gunicorn. */
function namedModules(command: readonly string[]): string[] {
  return command.flatMap((word) => /^([A-Za-z_][\w.]*):[A-Za-z_][\w.]*(\(\))?$/.exec(word)?.[1] ?? []);
}

interface GivenFiles {
  given: string | undefined;
  files: string;
  requirements: readonly string[];
}

function fileProblems({ given, files, requirements }: GivenFiles, source: string): Problem[] {
  if (!fs.existsSync(source)) {
    return [
      { path: ["application", "source"], received: given, reason: "must be a directory, relative to the project" },
    ];
  }
  const reason = `must be a path below ${source}, and does not exist there`;
  const stray = [".git", ".env", ".venv", "node_modules"].filter((name) => fs.existsSync(path.join(source, name)));
  return [
    ...(files === "." && stray.length > 0 && !fs.existsSync(path.join(source, ".dockerignore"))
      ? [
          {
            path: ["application", "files"],
            received: files,
            reason: `would put ${stray.join(", ")} into the image; add a .dockerignore to ${source}, or name the directory of the sources`,
          },
        ]
      : []),
    ...(fs.existsSync(path.join(source, files)) ? [] : [{ path: ["application", "files"], received: files, reason }]),
    ...requirements.flatMap((file, index) =>
      fs.existsSync(path.join(source, file))
        ? []
        : [{ path: ["application", "requirements", index], received: file, reason }],
    ),
  ];
}
