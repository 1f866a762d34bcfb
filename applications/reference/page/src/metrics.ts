/** Reads the Prometheus text format, as far as the status view needs it. */

type Labels = Readonly<Record<string, string>>;

export interface Sample {
  name: string;
  labels: Labels;
  value: number;
}

/** The samples in a Prometheus exposition. Comments and lines that are no sample are skipped. */
export function parseMetrics(text: string): Sample[] {
  return text.split("\n").flatMap((line) => {
    const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([+-]?(?:[\d.]+(?:e[+-]?\d+)?|Inf)|NaN)(?: \d+)?$/i.exec(line);
    if (match?.[1] === undefined) {
      return [];
    }
    const labels = [...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, name = "", value = ""]) => [name, value] as const,
    );
    return [{ name: match[1], labels: Object.fromEntries(labels), value: parseValue(match[3] ?? "") }];
  });
}

function parseValue(text: string): number {
  return Number(text.replace("Inf", "Infinity"));
}

/** The sum of a metric over the series that `matches` accepts; undefined if there is none. */
export function sumSeries(
  samples: readonly Sample[],
  name: string,
  matches: (labels: Labels) => boolean = () => true,
): number | undefined {
  const series = samples.filter((sample) => sample.name === name && matches(sample.labels));
  return series.length === 0 ? undefined : series.reduce((sum, { value }) => sum + value, 0);
}

/**
 * The `q` quantile (0 to 1) of a histogram, in the metric's unit. It is interpolated linearly within a bucket, as in
 * Prometheus; above the largest finite bound it is that bound. Undefined before the first observation.
 */
export function quantile(
  samples: readonly Sample[],
  name: string,
  q: number,
  matches: (labels: Labels) => boolean = () => true,
): number | undefined {
  const countByBound = new Map<number, number>();
  for (const sample of samples) {
    const le = sample.labels["le"];
    if (sample.name === `${name}_bucket` && le !== undefined && matches(sample.labels)) {
      const bound = parseValue(le);
      countByBound.set(bound, (countByBound.get(bound) ?? 0) + sample.value);
    }
  }
  const buckets = [...countByBound].sort(([a], [b]) => a - b);
  const rank = q * (buckets.at(-1)?.[1] ?? 0);
  let [lowerBound, countBelow] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count > 0 && count >= rank) {
      if (bound === Infinity) {
        return lowerBound;
      }
      const share = count === countBelow ? 1 : (rank - countBelow) / (count - countBelow);
      return lowerBound + (bound - lowerBound) * share;
    }
    [lowerBound, countBelow] = [bound, count];
  }
  return undefined;
}
