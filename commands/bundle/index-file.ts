import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { z } from "zod";
import { archon } from "../../lib/command-line";
import { releaseSchema } from "../../release/release";
import { UserError } from "../../lib/errors";
import { readEntries, type TarEntry } from "./tar";

export const IMAGES_MEMBER = "images.tar";
export const STORE_MEMBER = "store.tar";
export const INDEX_MEMBER = "bundle.json";
export const FORMAT = 1;

/** Far larger than any index. */
const longestIndex = 10_000_000;

const member = z.object({ name: z.string(), bytes: z.number(), sha256: z.string() });

/** The last member of a bundle: what is in it, with the hashes of the others. */
const indexSchema = z.object({
  format: z.literal(FORMAT),
  created: z.string(),
  /** What environments are made for: the other host must be configured with the same. */
  baseImage: z.string(),
  /** Entries of the ledger, the one that ran when it was exported first. */
  releases: z.array(releaseSchema).min(1),
  images: z.array(z.string()),
  /** The image, one of them, whose store tool can import the content of the store. */
  tool: z.string(),
  /** Name that the store tool gave the content of the store: 64 hex digits. */
  store: z.string().regex(/^[0-9a-f]{64}$/),
  members: z.array(member),
});
export type BundleIndex = z.infer<typeof indexSchema>;

export interface OpenBundle {
  index: BundleIndex;
  images: TarEntry;
  store: TarEntry;
}

/**
 * Reads a bundle's index, and finds its members. @throws UserError for a file that is not a bundle, ends early, or has
 * a newer format
 */
export function openBundle(descriptor: number, file: string): OpenBundle {
  const entries = readEntries(descriptor, file);
  const entryOf = (name: string): TarEntry => {
    const found = entries.filter((each) => each.name === name);
    if (found.length !== 1 || found[0] === undefined) {
      throw new UserError(
        `${file} is not a bundle: it has ${found.length === 0 ? "no" : "more than one"} ${name}. \`${archon("bundle export")}\` makes one.`,
      );
    }
    return found[0];
  };
  const index = parseIndex(descriptor, entryOf(INDEX_MEMBER), file);
  const images = entryOf(IMAGES_MEMBER);
  const store = entryOf(STORE_MEMBER);
  for (const each of [images, store]) {
    if (index.members.find(({ name }) => name === each.name)?.bytes !== each.bytes) {
      throw new UserError(`${file} was changed: ${each.name} has ${each.bytes} bytes, but its index says otherwise.`);
    }
  }
  return { index, images, store };
}

/** Compares a member with the hash that the index has of it. @throws UserError when they differ */
export async function checkMember(file: string, entry: TarEntry, index: BundleIndex): Promise<void> {
  const digest = createHash("sha256");
  for await (const chunk of readMember(file, entry)) {
    digest.update(chunk as Buffer);
  }
  const found = digest.digest("hex");
  const expected = index.members.find(({ name }) => name === entry.name)?.sha256;
  if (found !== expected) {
    throw new UserError(
      `${file} is damaged: ${entry.name} has sha256 ${found}, its index says ${expected ?? "none"}. Copy it again.`,
    );
  }
}

/** The bytes of a member as a stream. */
export function readMember(file: string, { offset, bytes }: TarEntry): fs.ReadStream {
  return fs.createReadStream(file, { start: offset, end: offset + bytes - 1, highWaterMark: 1 << 20 });
}

function parseIndex(descriptor: number, entry: TarEntry, file: string): BundleIndex {
  const text = Buffer.alloc(Math.min(entry.bytes, longestIndex));
  fs.readSync(descriptor, text, 0, text.length, entry.offset);
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch {
    throw new UserError(`${file} is not a bundle, or it was changed: its ${INDEX_MEMBER} cannot be read.`);
  }
  const result = indexSchema.safeParse(value);
  if (!result.success) {
    throw new UserError(`${file} is a bundle that this version does not read:\n${z.prettifyError(result.error)}`);
  }
  return result.data;
}
