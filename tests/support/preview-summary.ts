import { parsePreview } from "../../commands/preview/document";
import { summarise, type PreviewSummary, type SizeLookup } from "../../commands/preview/summary";

const sizes: SizeLookup = {
  environment: (lock) => (lock.endsWith("small.txt") ? 64_000 : undefined),
  directory: () => 3_130_000,
};

/** The summary of a recorded preview, with sizes that no checkout changes. */
export function summaryOf(json: string): PreviewSummary {
  return summarise(parsePreview(json, "the recording"), "test", sizes);
}

/**
 * The changes of a summary, without what differs between recordings: tags, keys, and whether an image is built or already
 * in the engine from another test (both are "make").
 */
export function changesOf({ changes }: PreviewSummary): string[] {
  return changes.map(({ action, what }) => {
    const made = what.startsWith("image ") && (action === "build" || action === "create");
    return `${made ? "make" : action} ${what.replace(/[:@]?\b[0-9a-f]{12,16}$/, "")}`.trim();
  });
}
