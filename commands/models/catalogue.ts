import * as path from "node:path";
import { z } from "zod";
import { directoryRevision, isModelFile, readTree } from "../../lib/hashing";
import type { Inventory } from "../store/report";
import { readDecision } from "../lib/decisions";
import { bytes, table } from "../lib/render";

/** A model of a stack's configuration; `snapshot` is `repo@commit`, by which the store knows it. */
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
  /** Bytes of its files; undefined while it is not there. */
  bytes: number | undefined;
  /** Whether a server has recorded its known answers. */
  proven: boolean;
  /** Stacks that keep it, as `<project>-<stack>`. */
  usedBy: readonly string[];
}

export interface Catalogue {
  configured: readonly CatalogueEntry[];
  /** Snapshots of the store that the stack does not configure. */
  others: Inventory["models"];
}

const hubModel = z.object({ name: z.string(), repo: z.string(), revision: z.string() });
const derivedModel = z.object({ name: z.string(), from: z.string(), revision: z.string() });
const directoryModel = z.object({ name: z.string(), directory: z.string() });

/**
 * The models of a stack's file, as far as they are written as Pulumi.yaml declares them; the check of the whole configuration says what is
 * wrong with the others.
 */
export function configuredModels(
  stack: string,
  project: string,
): { models: ConfiguredModel[]; active: string | undefined } {
  const listed = z.array(z.unknown()).catch([]).parse(readDecision("models", stack));
  const models = listed.flatMap((item): ConfiguredModel[] => {
    const fromHub = hubModel.safeParse(item);
    if (fromHub.success) {
      const { name, repo, revision } = fromHub.data;
      return [{ name, snapshot: `${repo}@${revision}`, directory: undefined }];
    }
    const derived = derivedModel.safeParse(item);
    if (derived.success) {
      return [
        {
          name: derived.data.name,
          snapshot: `local/${derived.data.name}@${derived.data.revision}`,
          directory: undefined,
        },
      ];
    }
    const local = directoryModel.safeParse(item);
    return local.success
      ? [{ name: local.data.name, snapshot: directorySnapshot(project, local.data), directory: local.data.directory }]
      : [];
  });
  const active = readDecision("activeModel", stack);
  return { models, active: typeof active === "string" && active !== "" ? active : models[0]?.name };
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
              present ? (proven ? "proven" : "there, not proven yet") : "not in the store",
              usedBy.join(", ") || "no stack",
            ]),
          ],
          [3],
        );
  const rest = others.map(
    ({ model, bytes: size, usedBy }) => `  ${short(model)}  ${bytes(size)}  used by ${usedBy.join(", ") || "no stack"}`,
  );
  const missing = configured.some(({ present }) => !present)
    ? ["", `What is not in the store comes with the next update: npm run pulumi -- up --stack ${stack}`]
    : [];
  return [...lines, ...(rest.length === 0 ? [] : ["", "Also in the store:", ...rest]), ...missing];
}

function directorySnapshot(project: string, { name, directory }: { name: string; directory: string }): string {
  return `local/${name}@${directoryRevision(readTree(path.resolve(project, directory), isModelFile))}`;
}

/** With twelve digits of the commit. */
function short(snapshot: string): string {
  return snapshot.replace(/@([0-9a-f]{12})[0-9a-f]+$/, "@$1");
}
