import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { DEFAULT_BASE_IMAGE } from "../../config/base-image";
import { readMachine } from "../setup/machine";
import { devStack, project } from "../setup/stack";
import { projectRoot } from "./paths";
import { stackFile } from "./stack-file";

/*
 * The few decisions of a stack, `dev` unless said otherwise, that count before Pulumi can read and check its configuration, or
 * outside of it. What is not as Pulumi.yaml declares it is taken as not decided: the check of the whole configuration says it better.
 */

/** The image that everything is built from: the person's choice, else what the set-up found, else the pinned one. */
export function chosenBaseImage(): string {
  return configuredBaseImage() ?? readMachine().baseImage ?? DEFAULT_BASE_IMAGE;
}

/** `archon:baseImage`, unless it leaves the choice to the set-up. */
export function configuredBaseImage(): string | undefined {
  const choice = readDecision("baseImage");
  return typeof choice === "string" && choice !== "auto" ? choice : undefined;
}

/** `archon:pythonIndex`, empty for PyPI, and `archon:pythonExtraIndexes`. */
export function packageIndexes(stack: string = devStack): { pythonIndex: string; pythonExtraIndexes: string[] } {
  const index = readDecision("pythonIndex", stack);
  const extra = readDecision("pythonExtraIndexes", stack);
  return {
    pythonIndex: typeof index === "string" ? index : "",
    pythonExtraIndexes: Array.isArray(extra) ? extra.filter((url): url is string => typeof url === "string") : [],
  };
}

/** `archon:root` of a stack, or its default. */
export function configuredRoot(stack: string): string {
  return configuredText("root", stack);
}

/** A key of a stack that Pulumi.yaml declares as text, or its default. */
export function configuredText(key: string, stack: string): string {
  const choice = readDecision(key, stack);
  const declared = parse(fs.readFileSync(path.join(projectRoot, "Pulumi.yaml"), "utf8")) as {
    config: Record<string, { default?: string } | undefined>;
  };
  return typeof choice === "string" ? choice : (declared.config[key]?.default ?? "");
}

/** What a stack's file says of a key, without the project's name before it; undefined where it says nothing. */
export function readDecision(key: string, stack: string = devStack): unknown {
  const file = stackFile(stack);
  const settings = fs.existsSync(file)
    ? (parse(fs.readFileSync(file, "utf8")) as { config?: Record<string, unknown> } | null)
    : null;
  return settings?.config?.[`${project}:${key}`] ?? settings?.config?.[key];
}
