import { z } from "zod";
import { isOwn, type Labelled, type Ownership } from "../../lib/deployment-identity";

const exportedSchema = z.object({
  deployment: z
    .object({
      resources: z
        .array(z.object({ type: z.string(), id: z.string().optional(), outputs: z.unknown().optional() }))
        .default([]),
    })
    .optional(),
});

const stashSchema = z.object({ output: z.object({ id: z.string() }) });

/** What the state of a stack knows of the engine. */
export interface KnownState {
  ownership: Ownership;
  /** Ids of its containers and networks, including those that are still to be deleted. */
  known: ReadonlySet<string>;
}

/** Reads what `pulumi stack export` prints. */
export function readState(exported: string): KnownState {
  const resources = exportedSchema.parse(JSON.parse(exported)).deployment?.resources ?? [];
  const kinds = ["docker:index/container:Container", "docker:index/network:Network"];
  const known = new Set(
    resources.filter(({ type }) => kinds.includes(type)).flatMap(({ id }) => (id === undefined ? [] : [id])),
  );
  const stash = resources.find(({ type }) => type === "pulumi:index:Stash");
  const id = stashSchema.safeParse(stash?.outputs).data?.output.id;
  // An update that was refused leaves a state with an id and no container: what has no id is not its own.
  return { ownership: { id, ownsUnmarked: known.size > 0 }, known };
}

/**
 * What an update of this deployment made but did not record, because it was killed in between. Pulumi never deletes it:
 * such a server would keep answering requests, and such a gateway would keep the port. Store jobs are not among it: they
 * are removed when they end.
 */
export function orphans(labelled: readonly Labelled[], { ownership, known }: KnownState): Labelled[] {
  return labelled.filter(
    (each) =>
      ["server", "gateway", "network"].includes(each.component) && isOwn(each, ownership) && !known.has(each.id),
  );
}

/** What belongs to other deployments of the same project and stack. */
export function foreign(labelled: readonly Labelled[], { ownership }: KnownState): Labelled[] {
  return labelled.filter((each) => !isOwn(each, ownership));
}
