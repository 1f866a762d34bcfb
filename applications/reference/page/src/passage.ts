/** How the text of a passage is shown. */

import { fold } from "./fold";

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

const WORD_CHARACTER = "[\\p{L}\\p{M}\\p{N}]";
/** Han, kana, Hangul and their like: words are not told apart by blanks, or particles are written onto them. */
const IDEOGRAPHIC = `(?=${WORD_CHARACTER})[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Bopo}\\p{scx=Hang}\\p{sc=Yiii}]`;
/** Alphabets without blanks between words: Thai, Lao, Tibetan, Myanmar, Khmer, Tai, Balinese, Javanese, Cham. */
const ALPHABETIC =
  `(?=${WORD_CHARACTER})[\\p{sc=Thai}\\p{sc=Laoo}\\p{sc=Tibt}\\p{sc=Mymr}\\p{sc=Khmr}\\p{sc=Tale}\\p{sc=Talu}` +
  "\\p{sc=Lana}\\p{sc=Tavt}\\p{sc=Bali}\\p{sc=Java}\\p{sc=Cham}]";
/** Not of these scripts. */
const OTHER = `(?!${IDEOGRAPHIC}|${ALPHABETIC})${WORD_CHARACTER}`;
/** The pieces of a query: runs of the first kind, of the second, and other words. */
const PIECES = new RegExp(`((?:${IDEOGRAPHIC})+)|((?:${ALPHABETIC})+)|(?:${OTHER})+`, "gu");
/** Characters of a run that count as a match, as in the server's index. */
const IDEOGRAPHIC_WINDOW = 2;
const ALPHABETIC_WINDOW = 4;

/**
 * Splits `text` at what a search for `query` finds in it, so that it can be highlighted: whole words, in any case and
 * Unicode form, and parts of runs of scripts that have no blanks. Stop words are ignored.
 */
export function highlight(text: string, query: string): Segment[] {
  const patterns = patternsOf(query);
  if (patterns.length === 0) {
    return [{ text, match: false }];
  }
  const folded = fold(text);
  const marked = new Array<boolean>(text.length).fill(false);
  for (const pattern of patterns) {
    for (const { index, 0: found } of folded.text.matchAll(pattern)) {
      marked.fill(true, folded.starts[index], folded.ends[index + found.length - 1]);
    }
  }
  return segments(text, marked);
}

function patternsOf(query: string): RegExp[] {
  const words = new Set<string>();
  const parts = new Set<string>();
  for (const { 0: piece, 1: ideographic, 2: alphabetic } of fold(query).text.matchAll(PIECES)) {
    if (ideographic !== undefined || alphabetic !== undefined) {
      windows(piece, ideographic === undefined ? ALPHABETIC_WINDOW : IDEOGRAPHIC_WINDOW).forEach((part) =>
        parts.add(part),
      );
    } else if ([...piece].length >= 3 && !STOP_WORDS.has(piece)) {
      words.add(piece);
    }
  }
  return [
    ...(words.size > 0 ? [new RegExp(`(?<!${OTHER})(?:${[...words].join("|")})(?!${OTHER})`, "gu")] : []),
    // Each by itself, because they overlap.
    ...[...parts].map((part) => new RegExp(part, "gu")),
  ];
}

/** All sequences of `size` characters in a run, or the run if it is shorter. */
function windows(run: string, size: number): string[] {
  const characters = [...run];
  return Array.from({ length: Math.max(characters.length - size, 0) + 1 }, (_, start) =>
    characters.slice(start, start + size).join(""),
  );
}

function segments(text: string, marked: readonly boolean[]): Segment[] {
  const found: Segment[] = [];
  let start = 0;
  for (let end = 1; end <= text.length; end += 1) {
    if (end === text.length || marked[end] !== marked[start]) {
      found.push({ text: text.slice(start, end), match: marked[start] ?? false });
      start = end;
    }
  }
  return found;
}
