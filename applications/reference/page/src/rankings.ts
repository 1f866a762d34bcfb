/** How the ranks of passages differ between two rankings of one query. */

interface RankedPassage {
  id: number;
  retrieval_rank?: number | null;
}

/** How many ranks reranking moved a passage up (positive) or down; undefined if its retrieval rank is not known. */
export function rankChange(rank: number, passage: RankedPassage): number | undefined {
  return typeof passage.retrieval_rank === "number" ? passage.retrieval_rank - rank : undefined;
}

export function describeRankChange(change: number): string {
  if (change === 0) {
    return "unchanged";
  }
  return `${change > 0 ? "up" : "down"} ${Math.abs(change)}`;
}

/** A passage's index in each of two rankings; null if it is not in that one. */
export interface RankLink {
  id: number;
  from: number | null;
  to: number | null;
}

/** Links the passages of two rankings: first those of `after` in its order, then those that are only in `before`. */
export function linkRankings(before: readonly RankedPassage[], after: readonly RankedPassage[]): RankLink[] {
  const indexIn = (ranking: readonly RankedPassage[], id: number): number | null => {
    const index = ranking.findIndex((passage) => passage.id === id);
    return index === -1 ? null : index;
  };
  return [
    ...after.map(({ id }, to) => ({ id, from: indexIn(before, id), to })),
    ...before.flatMap(({ id }, from) => (indexIn(after, id) === null ? [{ id, from, to: null }] : [])),
  ];
}
