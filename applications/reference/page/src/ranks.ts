/** Where passages stand in two rankings of one question. */

interface Ranked {
  id: number;
  retrieval_rank?: number;
}

/** Places that reranking moved a passage up (positive) or down; undefined where retrieval's place is not known. */
export function moved(rank: number, row: Ranked): number | undefined {
  return row.retrieval_rank === undefined ? undefined : row.retrieval_rank - rank;
}

/** The move in words. */
export function movement(places: number): string {
  return places === 0 ? "stays" : `${places > 0 ? "up" : "down"} ${Math.abs(places)}`;
}

/** A line from the place in one list to that in the other, both from 0; null is off that list. */
export interface Link {
  id: number;
  from: number | null;
  to: number | null;
}

/** How the passages of `before` and `after` belong together, in the order of `after`, those that fell out last. */
export function links(before: readonly Ranked[], after: readonly Ranked[]): Link[] {
  const place = (list: readonly Ranked[], id: number): number | null => {
    const index = list.findIndex((row) => row.id === id);
    return index === -1 ? null : index;
  };
  return [
    ...after.map(({ id }, to) => ({ id, from: place(before, id), to })),
    ...before.flatMap(({ id }, from) => (place(after, id) === null ? [{ id, from, to: null }] : [])),
  ];
}
