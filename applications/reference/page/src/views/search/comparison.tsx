import type { JSX } from "preact";
import type { SearchReply, SearchHit } from "../../api/types";
import { formatMilliseconds, formatScore } from "../../format";
import { displayText } from "../../passage";
import { linkRankings, rankChange, type RankLink } from "../../rankings";
import { Highlighted, NoResults, RankChange, SearchWarnings, titleOf } from "./results";

interface ComparisonProps {
  query: string;
  retrieval: SearchReply;
  reranked: SearchReply;
}

/** The ranking of retrieval beside that of the model. A line links the two ranks of each passage. */
export function Comparison({ query, retrieval, reranked }: ComparisonProps): JSX.Element {
  const [before, after] = [retrieval.results, reranked.results];
  if (before.length === 0 && after.length === 0) {
    return <NoResults />;
  }
  const links = linkRankings(before, after);
  const linkOf = (id: number): RankLink | undefined => links.find((link) => link.id === id);
  return (
    <section aria-label="Comparison">
      <SearchWarnings reply={reranked} />
      <div class="comparison">
        <Column
          title="Retrieval only"
          totalMs={retrieval.timings.total_ms}
          rows={before}
          query={query}
          scoreOf={(row) => row.similarity_score}
        >
          {(row) => (linkOf(row.id)?.to === null ? <span class="rank-change down">dropped</span> : null)}
        </Column>
        <RankLines links={links} rows={Math.max(before.length, after.length)} />
        <Column
          title={reranked.reranking_applied ? `Reranked by ${reranked.model ?? "the model"}` : "Not reranked"}
          totalMs={reranked.timings.total_ms}
          rows={after}
          query={query}
          scoreOf={(row) => row.rerank_score ?? row.similarity_score}
        >
          {(row, index) => (
            <>
              <RankChange change={rankChange(index + 1, row)} /> <span class="muted">from {row.retrieval_rank}</span>
            </>
          )}
        </Column>
      </div>
    </section>
  );
}

interface ColumnProps {
  title: string;
  totalMs: number;
  rows: readonly SearchHit[];
  query: string;
  scoreOf: (row: SearchHit) => number;
  children: (row: SearchHit, index: number) => JSX.Element | null;
}

function Column({ title, totalMs, rows, query, scoreOf, children }: ColumnProps): JSX.Element {
  return (
    <div class="column">
      <h2>
        {title} <span class="muted">{formatMilliseconds(totalMs)}</span>
      </h2>
      <ol>
        {rows.map((row, index) => (
          <li key={row.id}>
            <p class="passage clamped">
              <Highlighted text={displayText(row.content, row.metadata.headers)} query={query} />
            </p>
            <p class="column-line">
              <span class="number">{formatScore(scoreOf(row))}</span> {children(row, index)}{" "}
              <span class="muted source">{titleOf(row)}</span>
            </p>
          </li>
        ))}
      </ol>
    </div>
  );
}

/**
 * All rows have the same height, so an index is a vertical position. Lines of passages that are in one list only start
 * or end below the other.
 */
function RankLines({ links, rows }: { links: readonly RankLink[]; rows: number }): JSX.Element {
  const y = (index: number | null): number => (index ?? rows) + 0.5;
  return (
    <svg class="rank-lines" viewBox={`0 0 10 ${rows}`} preserveAspectRatio="none" aria-hidden="true">
      {links.map(({ id, from, to }) => (
        <path
          key={id}
          class={directionOf(from ?? rows, to ?? rows)}
          d={`M0 ${y(from)} C5 ${y(from)} 5 ${y(to)} 10 ${y(to)}`}
          vector-effect="non-scaling-stroke"
        />
      ))}
    </svg>
  );
}

function directionOf(from: number, to: number): "up" | "down" | "same" {
  if (from === to) {
    return "same";
  }
  return to < from ? "up" : "down";
}
