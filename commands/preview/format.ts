import { bytes, table } from "../lib/render";
import { actions, missing, type Action, type Change, type PreviewSummary } from "./summary";

/** Headings of the actions. */
export const headings: Readonly<Record<Action, string>> = {
  build: "Built",
  fetch: "Fetched",
  create: "New",
  replace: "Replaced",
  update: "Changed in place",
  remove: "Removed",
};

/** `from the checkout, 3.13 MB`; empty where there is nothing to say. */
export function details({ action, reasons, bytes: count }: Change): string {
  const size =
    action !== "fetch" ? [] : [count === undefined ? "size unknown until fetched" : `${bytes(count)} on the disk`];
  return [...reasons, ...size].join(", ");
}

/**
 * The total size of the downloads, measured on disk: the downloads are compressed, and files in the store's cache are
 * not downloaded.
 */
export function fetchTotal({ changes }: PreviewSummary): string {
  const fetched = changes.filter(({ action }) => action === "fetch");
  const known = fetched.flatMap(({ bytes: count }) => (count === undefined ? [] : [count]));
  const unknown = fetched.length - known.length;
  if (fetched.length === 0) {
    return "nothing";
  }
  return [
    ...(known.length === 0 ? [] : [`at most ${bytes(known.reduce((sum, count) => sum + count, 0))}`]),
    ...(unknown === 0 ? [] : [`${unknown} of unknown size`]),
  ].join(", and ");
}

/** `46b0aadebc77 → 5f0c…`, or `46b0aadebc77, as now`. */
export function releaseLine({ release: { current, next }, changes }: PreviewSummary): string {
  if (current === undefined) {
    return next === undefined ? "the first one" : `${next}, the first one`;
  }
  if (next === undefined) {
    return changes.some(changesRelease)
      ? `${current} → another one (its id is not in this preview)`
      : `${current}, as now`;
  }
  return current === next ? `${current}, as now` : `${current} → ${next}`;
}

/** Whether a change by itself shows that the release changes. */
function changesRelease({ action, what, reasons }: Change): boolean {
  return (
    ((action === "build" || action === "fetch") && !reasons.includes(missing)) ||
    (action === "replace" &&
      /^servers?\b/.test(what) &&
      reasons.some((reason) => /^(image|environment|settings)/.test(reason)))
  );
}

export function downtimeLine({ downtime: { expected, reasons } }: PreviewSummary): string {
  return `${expected ? "yes" : "none"}: ${reasons.join("; ")}`;
}

/** The summary in one line. */
export function headline({ problems, changes, stack }: PreviewSummary): string {
  if (problems.length > 0) {
    return `The update of ${stack} would fail`;
  }
  return changes.length === 0
    ? `No changes to ${stack}`
    : `${changes.length} ${changes.length === 1 ? "change" : "changes"} to ${stack}`;
}

/** A preview for a terminal. */
export function describePreview(summary: PreviewSummary): string[] {
  const { problems, warnings, changes, unchanged } = summary;
  if (problems.length > 0) {
    return [`${headline(summary)}:`, ...problems.flatMap((problem) => problem.split("\n")).map((line) => `  ${line}`)];
  }
  const rows = actions.flatMap((action) =>
    changes
      .filter((change) => change.action === action)
      .map((change, index) => [index === 0 ? headings[action] : "", change.what, details(change)]),
  );
  const facts = [
    ["Release", releaseLine(summary)],
    ["Downtime", downtimeLine(summary)],
    ...(changes.some(({ action }) => action === "fetch") ? [["To fetch", fetchTotal(summary)]] : []),
    ["Unchanged", `${unchanged} resources`],
  ];
  return [
    `${headline(summary)}.`,
    "",
    ...table(facts),
    ...(rows.length === 0 ? [] : ["", ...table(rows)]),
    ...warnings.map((warning) => `Warning: ${warning}`),
  ];
}
