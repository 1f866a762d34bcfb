import { z } from "zod";
import { releaseSchema, type Release } from "./release";

/** Images that serve every release alike: the store tool and the gateway. */
export interface SharedImages {
  bootstrap: string;
  gateway: string;
}

/** What a stack ran at its last successful update, as its outputs say. A failed update leaves them as they were. */
export interface Ledger {
  /** Id of the release that runs; undefined in a stack that runs nothing. */
  running: string | undefined;
  /** The latest run first. */
  releases: readonly Release[];
  /** The shared images that run now; undefined in a stack that runs nothing. */
  sharedImages: SharedImages | undefined;
  /** Where each service answers, in their order; empty in a stack that runs nothing. */
  services: readonly { name: string; url: string }[];
  /** The store on the Docker host; undefined in a stack that runs nothing. */
  root: string | undefined;
}

/** Keys of the outputs are stable: other versions of this program read them. */
const outputs = z.object({
  release: z.string().optional(),
  releases: z.array(releaseSchema).default([]),
  images: z.object({ bootstrap: z.string(), gateway: z.string() }).optional(),
  environment: z.object({ path: z.string() }).optional(),
  services: z.array(z.object({ name: z.string(), url: z.string() })).default([]),
});

/** Names of the outputs that {@link parseLedger} reads. */
export const LEDGER_OUTPUTS = Object.keys(outputs.shape);

/**
 * Reads the ledger from a stack's outputs. A stack without these outputs has an empty ledger.
 * @throws Error when they have another shape. Taking that for an empty ledger would let garbage collection remove what
 * the releases need.
 */
export function parseLedger(values: unknown): Ledger {
  const result = outputs.safeParse(values);
  if (!result.success) {
    throw new Error(
      `The stack's output "releases" is not a ledger that this version reads:\n${z.prettifyError(result.error)}`,
    );
  }
  const { release, releases, images, environment, services } = result.data;
  return {
    running: release,
    releases,
    sharedImages: images,
    services,
    // The environment lies in <root>/envs/<key>.
    root: environment?.path.replace(/\/envs\/[^/]+$/, ""),
  };
}
