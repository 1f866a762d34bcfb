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

/**
 * The releases with what is missing of them now, as far as this machine can see. The ledger itself has the state of the
 * last update.
 */
export function withLosses({ releases, root }: Ledger): Release[] {
  const facts = root === undefined ? undefined : hostFacts({ root, dockerHost: dockerHostOf(readMachine()) });
  return releases.map(({ ...release }) => {
    delete release.lost;
    const lost = facts && unavailableReason(facts, release);
    return lost === undefined ? release : { ...release, lost };
  });
}

/**
 * The release that a person names by an id, the beginning of one, or `previous`: the release that ran before the
 * running one.
 *
 * @throws UserError that lists the known releases
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
        ? "There is no previous release."
        : found === undefined
          ? `There is no release "${wanted}" in the ledger.`
          : `"${wanted}" is the beginning of ${matches.length} releases.`;
    const known = releases.map(({ id, created }) => `  ${id}  ${created}${id === running ? "  runs now" : ""}`);
    throw new UserError(
      [reason, ...(known.length === 0 ? ["The ledger is empty."] : ["The releases in the ledger:", ...known])].join(
        "\n",
      ),
    );
  }
  return found;
}
