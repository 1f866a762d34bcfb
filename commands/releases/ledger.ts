import { hostFacts, unavailableReason } from "../../components/host-facts";
import { storeMark } from "../../components/store-contents";
import { project, stackHost } from "../../config/stack";
import { storeName } from "../../lib/deployment-identity";
import { UserError } from "../../lib/errors";
import { parseLedger, type Ledger } from "../../release/ledger";
import type { Release } from "../../release/release";
import { pulumi } from "../lib/pulumi";

/** The ledger of a stack. @throws UserError where Pulumi does not know the stack */
export async function readLedger(stack: string): Promise<Ledger> {
  return parseLedger(JSON.parse(await pulumi(stack, ["stack", "output", "--json"])));
}

/**
 * The releases of a ledger, each with the reason why it cannot run now, as far as this machine can see. The reasons in
 * the ledger itself are those of the last update.
 */
export function checkReleases(stack: string, ledger: Ledger): Release[] {
  const { releases, root } = ledger;
  const mark = storeMark(storeName({ project, stack }), ledger);
  const facts = root === undefined ? undefined : hostFacts({ root, dockerHost: stackHost(stack).dockerHost }, mark);
  return releases.map(({ ...release }) => {
    delete release.lost;
    const reason = facts && unavailableReason(facts, release);
    return reason === undefined ? release : { ...release, lost: reason };
  });
}

/**
 * Finds a release in a ledger.
 *
 * @param requested an id, the beginning of one, or `previous` for the release that ran before the running one
 * @throws UserError that lists the releases, when there is none or more than one
 */
export function findRelease(requested: string, { running, releases }: Pick<Ledger, "running" | "releases">): Release {
  const matches =
    requested === "previous"
      ? releases.filter(({ id }) => id !== running).slice(0, 1)
      : releases.filter(({ id }) => id.startsWith(requested));
  const [found, ...others] = matches;
  if (found !== undefined && others.length === 0) {
    return found;
  }
  const known = releases.map(({ id, created }) => `  ${id}  ${created}${id === running ? "  runs now" : ""}`);
  throw new UserError(
    [
      whyNotFound(requested, matches.length),
      ...(known.length === 0 ? ["The ledger is empty."] : ["The releases in the ledger:", ...known]),
    ].join("\n"),
  );
}

function whyNotFound(requested: string, matches: number): string {
  if (matches > 1) {
    return `"${requested}" is the beginning of ${matches} releases.`;
  }
  return requested === "previous"
    ? "There is no previous release."
    : `There is no release "${requested}" in the ledger.`;
}
