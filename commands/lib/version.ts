/**
 * Whether `version` is `minimum` or newer. Compares the numbers before the first other character, so that the
 * builds of distributions count as what they are: `20.10.24+dfsg1` is 20.10.24.
 */
export function atLeast(version: string, minimum: string): boolean {
  const actual = numbers(version);
  return (
    numbers(minimum).reduce<number>((order, wanted, index) => order || Math.sign((actual[index] ?? 0) - wanted), 0) >= 0
  );
}

function numbers(version: string): number[] {
  const match = /^v?(\d+(?:\.\d+)*)/.exec(version.trim());
  return (match?.[1] ?? "0").split(".").map(Number);
}
