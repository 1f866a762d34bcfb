/** How the ranks of passages differ between two rankings of one query. */

interface Passage {
  id: number;
}

/** How many ranks reranking moved a passage up (positive) or down (negative). Ranks count from 1. */
export function rankChange(rank: number, { retrieval_rank: retrievalRank }: { retrieval_rank: number }): number {
  return retrievalRank - rank;
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
export function linkRankings(before: readonly Passage[], after: readonly Passage[]): RankLink[] {
  const indexIn = (ranking: readonly Passage[], id: number): number | null => {
    const index = ranking.findIndex((passage) => passage.id === id);
    return index === -1 ? null : index;
  };
  return [
    ...after.map(({ id }, to) => ({ id, from: indexIn(before, id), to })),
    ...before.flatMap(({ id }, from) => (indexIn(after, id) === null ? [{ id, from, to: null }] : [])),
  ];
}
