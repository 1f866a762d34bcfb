/**
 * Whether `version` is `minimum` or newer. Ignores what follows the numbers: a distribution's `20.10.24+dfsg1` counts as
 * 20.10.24.
 */
export function atLeast(version: string, minimum: string): boolean {
  const actual = numbers(version);
  for (const [index, required] of numbers(minimum).entries()) {
    const difference = (actual[index] ?? 0) - required;
    if (difference !== 0) {
      return difference > 0;
    }
  }
  return true;
}

function numbers(version: string): number[] {
  const match = /^v?(\d+(?:\.\d+)*)/.exec(version.trim());
  return (match?.[1] ?? "0").split(".").map(Number);
}
