import * as pulumi from "@pulumi/pulumi";
import { parseLedger, type Previous } from "../release/ledger";

/**
 * Reads what this stack ran before from its own outputs, in preview too. They are those of the last successful update: a new stack
 * has none, and a failed update leaves them as they were.
 */
export async function readLedger(): Promise<Previous> {
  const self = new pulumi.StackReference("self", {
    name: `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`,
  });
  const read = async (name: string): Promise<unknown> => (await self.getOutputDetails(name)).value;
  return parseLedger({ releases: (await read("releases")) ?? [], images: await read("images") });
}
