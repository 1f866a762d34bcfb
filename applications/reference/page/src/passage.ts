/** How the text of a passage is shown. */

/**
 * A passage for display: the lines of each paragraph are joined, and a first line that only repeats the last heading is
 * left out. Code blocks, lists, tables, headings and quotations keep their lines.
 * @param headings the headings above the passage, outermost first.
 */
export function displayText(content: string, headings: string | null | undefined): string {
  const [first = "", ...rest] = content.split("\n");
  const title = /^#{1,6}\s+(\S.*?)\s*#*$/.exec(first)?.[1];
  const repeatsHeading = title !== undefined && (headings ?? "").endsWith(title);
  const body = repeatsHeading && rest.some((line) => line.trim() !== "") ? rest.join("\n").trim() : content;
  // split() with a capturing group puts the fenced code blocks at the odd indexes.
  return body
    .split(/(^```[^]*?(?:^```\s*$|(?![^])))/m)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(/(\S)\n(?=[^\s|#>`*+-])(?!\d+[.)])/g, "$1 ")))
    .join("");
}

export interface Segment {
  text: string;
  /** Whether the text is one of the query's words. */
  match: boolean;
}

/**
 * Words of three letters or more that occur in nearly every query and passage; highlighting them would show nothing.
 */
const STOP_WORDS = new Set(
  "about and any are but can could did does for from had has have how into its may must not off one our out shall should that the their them then there these they this those was were what when where which while who why will with would you your".split(
    " ",
  ),
);

/** Splits `text` at the words of `query`, in any case, so that they can be highlighted. Stop words are ignored. */
export function highlight(text: string, query: string): Segment[] {
  const words = [...new Set(query.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [])].filter(
    (word) => !STOP_WORDS.has(word),
  );
  if (words.length === 0) {
    return [{ text, match: false }];
  }
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(${words.join("|")})(?![\\p{L}\\p{N}])`, "giu");
  return text
    .split(pattern)
    .map((segment, index) => ({ text: segment, match: index % 2 === 1 }))
    .filter((segment) => segment.text !== "");
}
