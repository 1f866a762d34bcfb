import * as fs from "node:fs";
import { parse } from "yaml";
import { DEFAULT_BASE_IMAGE } from "../../components/shared/base-image";
import { readMachine } from "../setup/machine";
import { devStack, project } from "../setup/stack";
import { stackFile } from "./stack-file";

/*
 * The few decisions of the stack `dev` that count before Pulumi can read and check its configuration, or outside of it. What is
 * not as Pulumi.yaml declares it is taken as not decided: the check of the whole configuration says it better.
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
export function packageIndexes(): { pythonIndex: string; pythonExtraIndexes: string[] } {
  const index = readDecision("pythonIndex");
  const extra = readDecision("pythonExtraIndexes");
  return {
    pythonIndex: typeof index === "string" ? index : "",
    pythonExtraIndexes: Array.isArray(extra) ? extra.filter((url): url is string => typeof url === "string") : [],
  };
}

function readDecision(key: string): unknown {
  const file = stackFile(devStack);
  const settings = fs.existsSync(file) ? (parse(fs.readFileSync(file, "utf8")) as { config?: Record<string, unknown> } | null) : null;
  return settings?.config?.[`${project}:${key}`] ?? settings?.config?.[key];
}
