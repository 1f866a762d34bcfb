/** Numbers, times and identifiers as people read them. */

/** Stands for a value that is not known. */
const UNKNOWN = "–";

/** A number of bytes in its largest decimal unit. */
export function formatBytes(value: number | null | undefined): string {
  if (value === null || value === undefined) {
    return UNKNOWN;
  }
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3));
  const scaled = value / 1000 ** power;
  return `${power === 0 ? String(scaled) : scaled.toPrecision(scaled >= 100 ? 3 : 2)} ${units[power] ?? ""}`;
}

export function formatMilliseconds(value: number): string {
  if (value >= 1000) {
    return `${(value / 1000).toFixed(value >= 10_000 ? 0 : 1)} s`;
  }
  return `${value.toFixed(value >= 10 ? 0 : 1)} ms`;
}

export function formatSeconds(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : formatMilliseconds(value * 1000);
}

/** A duration in its two largest units. */
export function formatDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) {
    return `${days} d ${hours % 24} h`;
  }
  if (hours > 0) {
    return `${hours} h ${minutes % 60} min`;
  }
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

/** An ISO 8601 time in the reader's time zone and locale; text that is no time is returned unchanged. */
export function formatDateTime(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime())
    ? iso
    : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export function formatInteger(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : Math.round(value).toLocaleString("en");
}

export function formatScore(value: number): string {
  return value.toFixed(3);
}

/** A count with its noun, such as "1 passage" or "2 passages". */
export function pluralise(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatInteger(count)} ${count === 1 ? singular : plural}`;
}

/** A message that ends with a full stop, so that another sentence can follow. */
export function withFullStop(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** The first 12 digits of a commit or key. */
export function shortHash(hash: string | null | undefined): string {
  return hash === null || hash === undefined || hash === "" ? UNKNOWN : hash.slice(0, 12);
}
