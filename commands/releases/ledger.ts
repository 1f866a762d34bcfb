import { hostFacts, unavailableReason } from "../../components/host-facts";
import { dockerHostOf, readMachine } from "../../config/machine";
import { UserError } from "../../lib/errors";
import { parseLedger, type Ledger } from "../../release/ledger";
import type { Release } from "../../release/release";
import { pulumi } from "../lib/pulumi";

/** The ledger of a stack. @throws UserError where Pulumi does not know the stack */
export async function readLedger(stack: string): Promise<Ledger> {
  return parseLedger(JSON.parse(await pulumi(stack, ["stack", "output", "--json"])));
}

/** The releases with what of them is gone by now, as far as this machine can see; the ledger itself knows it as of the last update. */
export function withLosses({ releases, root }: Ledger): Release[] {
  const facts = root === undefined ? undefined : hostFacts({ root, dockerHost: dockerHostOf(readMachine()) });
  return releases.map(({ ...release }) => {
    delete release.lost;
    const lost = facts && unavailableReason(facts, release);
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
