import * as path from "node:path";
import { devStack } from "../../config/stack";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { pulumi } from "../lib/pulumi";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";
import { checkReleases, readLedger } from "../releases/ledger";
import { timesOfState } from "../report/times";
import { pinnedRelease } from "../rollback/pinned-release";
import type { Row } from "./result";

/** When a command began and ended, and what Pulumi's state says of the new server then. */
export interface MeasuredRollback {
  /** Milliseconds since the epoch. */
  began: number;
  ended: number;
  /** What `pulumi stack export` prints. */
  state: string;
}

/**
 * Goes back to the previous release of the stack `dev`, and forward again, each by the command that people run. The time
 * until the new server answers is in two parts, because its own start depends on its model.
 */
export async function benchRollback(steps: Steps): Promise<Row[]> {
  await requirePreviousRelease();
  const back = await steps.run("Rollback", () => measure("previous"));
  const forward = await steps.run("Forward", () => measure("--forward"));
  return rowsOf(back, forward);
}

async function requirePreviousRelease(): Promise<void> {
  if (pinnedRelease(devStack) !== undefined) {
    throw new UserError(
      `The stack ${devStack} is pinned to a release. Roll forward first: ${archon("rollback --forward")}`,
    );
  }
  const [, previous] = checkReleases(devStack, await readLedger(devStack));
  if (previous === undefined || previous.lost !== undefined) {
    throw new UserError(
      `The stack ${devStack} has no earlier release that can run. Change a line of the server and deploy it with ` +
        `\`${archon("start")}\`; then measure again.`,
    );
  }
}

async function measure(direction: "previous" | "--forward"): Promise<MeasuredRollback> {
  const began = Date.now();
  await run(process.execPath, [path.join(__dirname, "..", "launch.cjs"), "rollback", direction, "--yes"]);
  const ended = Date.now();
  return { began, ended, state: await pulumi(devStack, ["stack", "export"]) };
}

export function rowsOf(back: MeasuredRollback, forward: MeasuredRollback): Row[] {
  const [one, other] = [partsOf(back), partsOf(forward)];
  return one.map(([what, seconds], index) => ({
    what,
    unit: "s",
    values: { back: seconds, forward: other[index]?.[1] ?? NaN },
  }));
}

function partsOf({ began, ended, state }: MeasuredRollback): [string, number][] {
  const start = timesOfState(state).find(({ what }) => what.startsWith("start of "));
  if (start?.ended === undefined || start.ended === null || Date.parse(start.ended) < began) {
    throw new UserError("The rollback has replaced no server, so there is nothing to measure.");
  }
  const answered = Date.parse(start.ended);
  return [
    ["from the command until the new server starts", (answered - began) / 1000 - start.seconds],
    ["its own start, until it answers through the gateway", start.seconds],
    ["until the old server is gone and the command ends", (ended - answered) / 1000],
    ["the whole command", (ended - began) / 1000],
  ];
}
