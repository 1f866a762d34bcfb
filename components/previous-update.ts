import * as pulumi from "@pulumi/pulumi";
import { LEDGER_OUTPUTS, parseLedger, type Ledger } from "../release/ledger";

/**
 * Reads what this stack ran before from its own outputs, also in a preview. They are those of the last successful
 * update: a new stack has none, and a failed update leaves them as they were.
 */
export async function readPreviousUpdate(): Promise<Ledger> {
  const self = new pulumi.StackReference("self", {
    name: `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`,
  });
  const details = await Promise.all(
    LEDGER_OUTPUTS.map(async (name) => [name, (await self.getOutputDetails(name)).value as unknown] as const),
  );
  // A missing output is null or undefined, depending on the backend.
  return parseLedger(Object.fromEntries(details.filter(([, value]) => value !== undefined && value !== null)));
}
