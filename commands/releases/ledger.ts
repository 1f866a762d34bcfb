import { hostFacts, lostPart } from "../../components/host-facts";
import { parseLedger as parseReleases } from "../../release/ledger";
import type { Release } from "../../release/release";
import { readMachine } from "../setup/machine";
import { UserError } from "../lib/errors";
import { pulumi } from "../lib/pulumi";

/** What a stack knows of itself, as far as releases go. */
export interface Ledger {
  /** Id of the release that runs; undefined in a stack that runs nothing. */
  running: string | undefined;
  /** The one that ran last comes first. */
  releases: readonly Release[];
  /** Images of the store tool and the gateway that run now. */
  tools: readonly string[];
  /** Where the first service answers. */
  url: string | undefined;
  /** The store on the Docker host; undefined in a stack that runs nothing. */
  root: string | undefined;
}

/** The ledger of a stack. @throws UserError where Pulumi does not know the stack */
export async function readLedger(stack: string): Promise<Ledger> {
  return parseLedger(await pulumi(stack, ["stack", "output", "--json"]));
}

/** Reads what `pulumi stack output --json` prints. */
export function parseLedger(json: string): Ledger {
  const outputs = JSON.parse(json) as { release?: string; url?: string; environment?: { path: string } };
  const previous = parseReleases(outputs);
  return {
    running: outputs.release,
    releases: previous.ledger,
    tools: Object.values(previous.tools ?? {}),
    url: outputs.url,
    // The environment lies in <root>/envs/<key>.
    root: outputs.environment?.path.replace(/\/envs\/[^/]+$/, ""),
  };
}

/** The releases with what of them is gone by now, as far as this machine can see; the ledger itself knows it as of the last update. */
export function withLosses({ releases, root }: Ledger): Release[] {
  const { dockerHost = "unix:///var/run/docker.sock", caBundle } = readMachine();
  const facts =
    root === undefined ? undefined : hostFacts({ root, dockerHost: process.env.DOCKER_HOST ?? dockerHost, caBundle });
  return releases.map(({ ...release }) => {
    delete release.lost;
    const lost = facts && lostPart(facts, release);
    return lost === undefined ? release : { ...release, lost };
  });
}

/**
 * The release that a person means by an id, the beginning of one, or `previous`: the one that ran before the running one.
 *
 * @throws UserError that lists the known ones
 */
export function findRelease(wanted: string, { running, releases }: Pick<Ledger, "running" | "releases">): Release {
  const matches =
    wanted === "previous"
      ? releases.filter(({ id }) => id !== running).slice(0, 1)
      : releases.filter(({ id }) => id.startsWith(wanted));
  const [found, ...others] = matches;
  if (found === undefined || others.length > 0) {
    const reason =
      wanted === "previous"
        ? "There is no release before the running one."
        : found === undefined
          ? `The stack has run no release "${wanted}", or it is no longer on record.`
          : `"${wanted}" is the beginning of ${matches.length} releases.`;
    const known = releases.map(({ id, created }) => `  ${id}  ${created}${id === running ? "  runs now" : ""}`);
    throw new UserError(
      [reason, ...(known.length === 0 ? ["It has run none at all."] : ["The releases on record:", ...known])].join(
        "\n",
      ),
    );
  }
  return found;
}
