import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { configuredModels, explicitValue } from "../../config/stack";
import { projectRoot } from "../../lib/paths";
import { snapshotOf } from "../../release/release";
import { bytes, table } from "../lib/render";
import type { Inventory } from "../store/report";

/** A model of a stack's configuration; `snapshot` is `repo@commit`, its name in the store. */
export interface ConfiguredModel {
  name: string;
  snapshot: string;
  /** Relative to the checkout; undefined for a model from the hub and a derived one. */
  directory: string | undefined;
}

/** One line of the catalogue. */
export interface CatalogueEntry extends ConfiguredModel {
  /** Whether it scores by default. */
  active: boolean;
  /** Whether its snapshot is in the store. */
  present: boolean;
  /** Bytes of its files; undefined while it is not in the store. */
  bytes: number | undefined;
  /** Whether its baseline is recorded. The name is stable: `models --json` prints it. */
  proven: boolean;
  /** Stacks that keep it, as `<project>-<stack>`. */
  usedBy: readonly string[];
}

export interface Catalogue {
  configured: readonly CatalogueEntry[];
  /** Snapshots of the store that the stack does not configure. */
  others: Inventory["models"];
}

/** The models of a stack, and the name of the one that scores by default. */
export function stackModels(stack: string): { models: ConfiguredModel[]; active: string | undefined } {
  const models = configuredModels(stack).map((model) => ({
    name: model.name,
    snapshot: snapshotOf(model),
    directory: model.directory && path.relative(projectRoot, model.directory),
  }));
  return { models, active: explicitValue("activeModel", stack) || models[0]?.name };
}

/** Joins what is configured with what the store holds. */
export function catalogue(
  models: readonly ConfiguredModel[],
  active: string | undefined,
  stored: Inventory["models"],
): Catalogue {
  const configured = models.map((model): CatalogueEntry => {
    const found = stored.find((each) => each.model === model.snapshot);
    return {
      ...model,
      active: model.name === active,
      present: found !== undefined,
      bytes: found?.bytes,
      proven: found?.proven ?? false,
      usedBy: found?.usedBy ?? [],
    };
  });
  return { configured, others: stored.filter(({ model }) => !models.some(({ snapshot }) => snapshot === model)) };
}

/** The catalogue as lines. */
export function describeCatalogue(stack: string, { configured, others }: Catalogue): string[] {
  const lines =
    configured.length === 0
      ? [`The stack "${stack}" configures no model.`]
      : table(
          [
            ["", "name", "model", "size", "state", "used by"],
            ...configured.map(({ active, name, snapshot, bytes: size, present, proven, usedBy }) => [
              active ? "▶" : "",
              name,
              short(snapshot),
              size === undefined ? "" : bytes(size),
              stateOf(present, proven),
              usedBy.join(", ") || "no stack",
            ]),
          ],
          [3],
        );
  const rest = others.map(
    ({ model, bytes: size, usedBy }) => `  ${short(model)}  ${bytes(size)}  used by ${usedBy.join(", ") || "no stack"}`,
  );
  const missing = configured.some(({ present }) => !present)
    ? ["", `The next update downloads what is not in the store: ${archon(`pulumi up --stack ${stack}`)}`]
    : [];
  return [...lines, ...(rest.length === 0 ? [] : ["", "Also in the store:", ...rest]), ...missing];
}

function stateOf(present: boolean, proven: boolean): string {
  if (!present) {
    return "not in the store";
  }
  return proven ? "baseline recorded" : "no baseline yet";
}

/** `repo@commit` with twelve digits of the commit. */
function short(snapshot: string): string {
  return snapshot.replace(/@([0-9a-f]{12})[0-9a-f]+$/, "@$1");
}
