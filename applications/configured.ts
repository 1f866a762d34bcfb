import * as path from "node:path";
import type { Problem } from "../config/problems";
import type { ApplicationConfig, FurtherRole } from "../config/schema";
import { pulledImage, type Application } from "./application";
import { archonApplication } from "./archon/application";
import { configuredService } from "./python/configured-service";
import { lockProblems } from "./python/locks";
import { referenceServer } from "./reference/application";

/** Where an application is configured. */
export interface ConfiguredIn {
  /** Absolute path of the project. */
  project: string;
  stack: string;
  /** The further roles that services of the stack name. @default none */
  roles?: readonly FurtherRole[];
}

/**
 * The application that a stack deploys.
 * @returns undefined when it cannot be deployed; `problems` says why
 */
export function applicationOf(
  config: ApplicationConfig,
  { project, stack, roles = [] }: ConfiguredIn,
  problems: Problem[],
): Application | undefined {
  if (config.kind === "reference") {
    return config.image === undefined ? referenceServer : { ...referenceServer, image: pulledImage(config.image) };
  }
  const source = config.source === undefined ? undefined : path.resolve(project, config.source);
  const lockDirectory = `requirements/${stack}`;
  const application =
    config.kind === "archon"
      ? archonApplication(config, source, lockDirectory, roles, problems)
      : configuredService(config, source, lockDirectory, problems);
  // The packages of a pulled image were locked where it was built.
  if (application !== undefined && config.image === undefined) {
    problems.push(...lockProblems(application, project, stack));
  }
  return application;
}
