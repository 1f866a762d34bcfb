/** Reading Prometheus' text format, as far as the status view needs it. */

export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** The samples of an exposition; lines that are none are passed over. */
export function parseMetrics(text: string): Sample[] {
  return text.split("\n").flatMap((line) => {
    const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([+-]?(?:[\d.]+(?:e[+-]?\d+)?|Inf)|NaN)(?: \d+)?$/i.exec(line);
    if (match?.[1] === undefined) {
      return [];
    }
    const labels = [...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, name = "", value = ""]) => [name, value] as const,
    );
    return [{ name: match[1], labels: Object.fromEntries(labels), value: numberOf(match[3] ?? "") }];
  });
}

function numberOf(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

type Labels = Readonly<Record<string, string>>;

/** The sum of a metric over every series that has these labels; undefined where there is none. */
export function total(
  samples: readonly Sample[],
  name: string,
  labels: Labels | ((labels: Labels) => boolean) = {},
): number | undefined {
  const matches =
    typeof labels === "function"
      ? labels
      : (of: Labels): boolean => Object.entries(labels).every(([key, value]) => of[key] === value);
  const found = samples.filter((sample) => sample.name === name && matches(sample.labels));
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/**
 * The `share` quantile of a histogram, in its unit, by straight lines within a bucket as Prometheus does it; the largest finite
 * bound for what lies above it. Undefined before the first observation.
 */
export function quantile(
  samples: readonly Sample[],
  name: string,
  share: number,
  labels: Labels = {},
): number | undefined {
  const bounds = new Map<number, number>();
  for (const { name: each, labels: of, value } of samples) {
    if (
      each === `${name}_bucket` &&
      of["le"] !== undefined &&
      Object.entries(labels).every(([key, wanted]) => of[key] === wanted)
    ) {
      const bound = numberOf(of["le"]);
      bounds.set(bound, (bounds.get(bound) ?? 0) + value);
    }
  }
  const buckets = [...bounds].sort(([a], [b]) => a - b);
  const wanted = share * (buckets.at(-1)?.[1] ?? 0);
  let [lower, below] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count > 0 && count >= wanted) {
      return bound === Infinity
        ? lower
        : lower + (bound - lower) * (count === below ? 1 : (wanted - below) / (count - below));
    }
    [lower, below] = [bound, count];
  }
  return undefined;
}
