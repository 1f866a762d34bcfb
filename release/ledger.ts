import { z } from "zod";
import type { Tools } from "./plan";
import { releaseSchema, type Release } from "./release";

/** What the stack ran at its last successful update; a failed one leaves it as it was. */
export interface Previous {
  /** The latest run first. */
  ledger: readonly Release[];
  tools: Tools | undefined;
}

const outputs = z.object({
  releases: z.array(releaseSchema).default([]),
  images: z.object({ bootstrap: z.string(), gateway: z.string() }).optional(),
});

/**
 * Reads the ledger from a stack's outputs. A stack that has none yet has an empty one.
 * @throws Error when it is there and of another shape, since whatever it kept alive would be collected.
 */
export function parseLedger(values: unknown): Previous {
  const result = outputs.safeParse(values);
  if (!result.success) {
    throw new Error(
      `The stack's output "releases" is not a ledger that this version reads:\n${z.prettifyError(result.error)}`,
    );
  }
  return { ledger: result.data.releases, tools: result.data.images };
}
