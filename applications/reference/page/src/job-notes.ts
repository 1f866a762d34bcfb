import type { Progress } from "./api/types";
import { pluralise } from "./format";

/** What to know about documents that were stored: what is missing, and what may be wrong. */
export function notesOf({ leftOut, guessedEncodings, withoutVector }: Partial<Progress>): string[] {
  const encodings = (guessedEncodings ?? []).map(
    ({ name, confidence }) => `${name} (${Math.max(Math.round(confidence * 100), 1)} % sure)`,
  );
  const wordsOnly = (withoutVector ?? []).length;
  return [
    ...(leftOut?.length ? [`Left out: ${leftOut.join(", ")}`] : []),
    ...(encodings.length > 0 ? [`The encoding was guessed: ${encodings.join(", ")}`] : []),
    ...(wordsOnly > 0 ? [`Found by words only: ${pluralise(wordsOnly, "passage")}`] : []),
  ];
}
