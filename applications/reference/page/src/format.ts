/** Numbers and times as people read them. */

export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) {
    return "–";
  }
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${power === 0 ? String(value) : value.toPrecision(value >= 100 ? 3 : 2)} ${units[power] ?? ""}`;
}

export function milliseconds(value: number): string {
  return value >= 10_000
    ? `${(value / 1000).toFixed(0)} s`
    : value >= 1000
      ? `${(value / 1000).toFixed(1)} s`
      : `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

export function seconds(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : milliseconds(value * 1000);
}

/** A length of time in its largest two units. */
export function span(totalSeconds: number): string {
  const minutes = Math.floor(totalSeconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  return days > 0
    ? `${days} d ${hours % 24} h`
    : hours > 0
      ? `${hours} h ${minutes % 60} min`
      : minutes > 0
        ? `${minutes} min`
        : `${Math.floor(totalSeconds)} s`;
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${integer(value)} ${value === 1 ? one : many}`;
}

export function integer(value: number | undefined): string {
  return value === undefined ? "–" : Math.round(value).toLocaleString("en");
}

export function score(value: number): string {
  return value.toFixed(3);
}

/** An ISO time in the reader's own zone and words; the text as it is when it is no time. */
export function when(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime())
    ? iso
    : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** A message with a full stop, so that another sentence can follow. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** The start of a commit or key, enough to tell it from others. */
export function short(hash: string | undefined): string {
  return hash === undefined || hash === "" ? "–" : hash.slice(0, 12);
}

/**
 * A passage as it is read: without the heading that stands above it anyway, and with the lines of a paragraph joined. Lines that
 * mean something by themselves stay: of code, lists, tables, headings and quotations.
 */
export function readable(text: string, headings: string | undefined): string {
  const [first = "", ...rest] = text.split("\n");
  const title = /^#{1,6}\s+(\S.*?)\s*#*$/.exec(first)?.[1];
  const body =
    title !== undefined && (headings ?? "").endsWith(title) && rest.some((line) => line.trim() !== "")
      ? rest.join("\n").trim()
      : text;
  // What is fenced stands at the odd places.
  return body
    .split(/(^```[^]*?(?:^```\s*$|(?![^])))/m)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(/(\S)\n(?=[^\s|#>`*+-])(?!\d+[.)])/g, "$1 ")))
    .join("");
}

export interface Piece {
  text: string;
  /** Whether it is one of the question's words. */
  hit: boolean;
}

/** English words that stand in nearly every question and every passage, so that marking them would show nothing. */
const COMMON = new Set(
  "about and any are but can could did does for from had has have how into its may must not off one our out shall should that the their them then there these they this those was were what when where which while who why will with would you your".split(
    " ",
  ),
);

/** Cuts `text` at the telling words of `query`, upper or lower case, so that they can be shown as found. */
export function highlighted(text: string, query: string): Piece[] {
  const words = [...new Set(query.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [])].filter((word) => !COMMON.has(word));
  if (words.length === 0) {
    return [{ text, hit: false }];
  }
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(${words.join("|")})(?![\\p{L}\\p{N}])`, "giu");
  return text
    .split(pattern)
    .map((piece, index) => ({ text: piece, hit: index % 2 === 1 }))
    .filter((piece) => piece.text !== "");
}
