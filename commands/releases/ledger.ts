import { z } from "zod";
import { UserError } from "../support/errors";
import { pulumi } from "../support/pulumi";

const model = z.object({ name: z.string(), repo: z.string(), revision: z.string() });

const release = z.object({
  id: z.string(),
  created: z.string(),
  commit: z.string().optional(),
  message: z.string().optional(),
  images: z.object({ server: z.string(), bootstrap: z.string(), gateway: z.string() }),
  environment: z.string(),
  models: z.array(model),
  activeModel: z.string().optional(),
});

/** A release that a stack has run, as its output `releases` tells it. */
export type PastRelease = z.infer<typeof release>;

const outputs = z.object({
  release: z.string().optional(),
  releases: z.array(release).default([]),
  url: z.string().optional(),
  environment: z.object({ key: z.string(), path: z.string() }).optional(),
});

/** What a stack knows of itself, as far as releases go. */
export interface Ledger {
  /** Id of the release that runs; undefined in a stack that never was updated. */
  running: string | undefined;
  /** The one that ran last comes first. */
  releases: PastRelease[];
  /** Where the first service answers. */
  url: string | undefined;
  /** The store on the Docker host; undefined in a stack that never was updated. */
  root: string | undefined;
}

/** The ledger of a stack. @throws UserError where Pulumi does not know the stack */
export async function readLedger(stack: string): Promise<Ledger> {
  return parseLedger(await pulumi(stack, ["stack", "output", "--json"]), stack);
}

/** Reads what `pulumi stack output --json` prints. */
export function parseLedger(json: string, stack: string): Ledger {
  const result = outputs.safeParse(JSON.parse(json));
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `  - ${path.join(".")}: ${message}`);
    throw new UserError(
      `The outputs of the stack "${stack}" are not those of this version:\n${problems.join("\n")}\n` +
        `Run \`npm run pulumi -- up --stack ${stack}\` once; it writes them anew.`,
    );
  }
  const { release: running, releases, url, environment } = result.data;
  // The environment lies in <root>/envs/<key>.
  return { running, releases, url, root: environment?.path.replace(/\/envs\/[^/]+$/, "") };
}

/**
 * The release that a person means by an id, the beginning of one, or `previous`: the one that ran before the running one.
 *
 * @throws UserError that lists the known ones
 */
export function findRelease(wanted: string, { running, releases }: Pick<Ledger, "running" | "releases">): PastRelease {
  const matches = wanted === "previous" ? releases.filter(({ id }) => id !== running).slice(0, 1) : releases.filter(({ id }) => wanted !== "" && id.startsWith(wanted));
  const [found, ...others] = matches;
  if (found === undefined || others.length > 0) {
    const reason =
      wanted === "previous"
        ? "There is no release before the running one."
        : found === undefined
          ? `The stack has run no release "${wanted}".`
          : `"${wanted}" is the beginning of ${matches.length} releases.`;
    const known = releases.map(({ id, created }) => `  ${id}  ${created}${id === running ? "  runs now" : ""}`);
    throw new UserError([reason, ...(known.length === 0 ? ["It has run none that is on record."] : ["The releases on record:", ...known])].join("\n"));
  }
  return found;
}
