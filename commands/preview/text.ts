import { table } from "../lib/render";
import { actions, type PreviewSummary } from "./summary";
import { details, downtimeLine, fetchTotal, headings, headline, releaseLine } from "./format";

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
