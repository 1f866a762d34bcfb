import { actions, type Change, type PreviewSummary } from "./summary";
import { details, downtimeLine, fetchTotal, headings, headline, releaseLine } from "./format";

/** The most characters that GitHub accepts in one comment. */
export const commentLimit = 65_536;

/**
 * Limits for the entries of a list and the characters of a message. The first pair with which the comment fits is used.
 */
const cuts: readonly { entries: number; message: number }[] = [
  { entries: 1000, message: 20_000 },
  { entries: 200, message: 5_000 },
  { entries: 50, message: 1_000 },
  { entries: 10, message: 500 },
  { entries: 3, message: 200 },
];

/** First line of a comment, by which the next run finds it again. */
export function marker(stack: string): string {
  return `<!-- archon-preview:${stack.replace(/[^\w.-]/g, "_")} -->`;
}

/** A preview as the comment of a pull request: the marker first, never longer than `limit` characters. */
export function markdownPreview(summary: PreviewSummary, limit: number = commentLimit): string {
  const tries = cuts.map((cut) => render(summary, cut));
  const fitting = tries.find((text) => text.length <= limit);
  return (
    fitting ?? `${marker(summary.stack)}\n**The preview is too long for a comment.** The log of the workflow has it.\n`
  );
}

function render(summary: PreviewSummary, cut: { entries: number; message: number }): string {
  const { problems, warnings, changes, unchanged, stack } = summary;
  const head = [marker(stack), `### ${prose(headline(summary))}`, ""];
  if (problems.length > 0) {
    return [...head, ...messages(problems, cut), ""].join("\n");
  }
  const facts = [
    `| Release | ${prose(releaseLine(summary))} |`,
    `| Downtime | ${summary.downtime.expected ? "⚠️ " : ""}${prose(downtimeLine(summary))} |`,
    `| To fetch | ${prose(fetchTotal(summary))} |`,
  ];
  const sections = actions.flatMap((action) =>
    section(
      changes.filter((change) => change.action === action),
      headings[action],
      cut.entries,
    ),
  );
  const notes = warnings.length === 0 ? [] : ["", "Warnings:", "", ...messages(warnings, cut)];
  return [
    ...head,
    "| | |",
    "| --- | --- |",
    ...facts,
    ...sections,
    ...notes,
    "",
    `${unchanged} resources unchanged. Rendered from \`pulumi preview\`, which changes nothing.`,
    "",
  ].join("\n");
}

function section(changes: readonly Change[], heading: string, entries: number): string[] {
  if (changes.length === 0) {
    return [];
  }
  const shown = changes.slice(0, entries).map((change) => {
    const more = details(change);
    return `- ${code(change.what)}${more === "" ? "" : `: ${prose(more)}`}`;
  });
  const rest = changes.length - shown.length;
  return ["", `**${heading}**`, "", ...shown, ...(rest > 0 ? [`- … and ${rest} more`] : [])];
}

function messages(texts: readonly string[], { entries, message }: { entries: number; message: number }): string[] {
  const shown = texts
    .slice(0, entries)
    .flatMap((text) =>
      fenced(text.length <= message ? text : `${text.slice(0, message)}\n… (${text.length - message} characters more)`),
    );
  return texts.length > entries ? [...shown, `… and ${texts.length - entries} more`] : shown;
}

/** A code block that its content cannot end. */
function fenced(text: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return [`${fence}text`, text, fence];
}

/** Inline code, without the characters that would end it. */
function code(text: string): string {
  return `\`${text.replace(/[`\r\n|]/g, "")}\``;
}

/** Text without markup, links or mentions. Inline code of our own stays. */
function prose(text: string): string {
  return text
    .replace(/[\\*_~<>[\]|#]/g, "\\$&")
    .replace(/[\r\n]+/g, " ")
    .replace(/@(?=\w)/g, "@\u200b");
}
