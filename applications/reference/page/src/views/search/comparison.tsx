import type { JSX } from "preact";
import type { SearchReply, SearchRow } from "../../api/shapes";
import { milliseconds, readable, score } from "../../format";
import { links, type Link } from "../../ranks";
import { Highlighted, Moved, NothingFound, Shortcomings, titleOf } from "./results";

interface ComparisonProps {
  question: string;
  plain: SearchReply;
  reranked: SearchReply;
}

/** Retrieval's order beside the model's, with a line from each passage's place to the other. */
export function Comparison({ question, plain, reranked }: ComparisonProps): JSX.Element {
  const [before, after] = [plain.results, reranked.results];
  if (before.length === 0 && after.length === 0) {
    return <NothingFound />;
  }
  const connections = links(before, after);
  const connection = (id: number): Link | undefined => connections.find((each) => each.id === id);
  return (
    <section aria-label="Comparison">
      <Shortcomings reply={reranked} />
      <div class="comparison">
        <Column
          title="Retrieval alone"
          time={plain.timings?.total_ms}
          rows={before}
          question={question}
          scoreOf={(row) => row.similarity_score}
        >
          {(row) => (connection(row.id)?.to === null ? <span class="moved down">falls out</span> : null)}
        </Column>
        <Lines connections={connections} rows={Math.max(before.length, after.length)} />
        <Column
          title={reranked.reranking_applied ? `Reranked by ${reranked.model ?? "the model"}` : "Not reranked"}
          time={reranked.timings?.total_ms}
          rows={after}
          question={question}
          scoreOf={(row) => row.rerank_score ?? row.similarity_score}
        >
          {(row, index) => <Origin row={row} index={index} from={connection(row.id)?.from ?? null} />}
        </Column>
      </div>
    </section>
  );
}

function Origin({ row, index, from }: { row: SearchRow; index: number; from: number | null }): JSX.Element {
  const place = row.retrieval_rank ?? (from === null ? undefined : from + 1);
  return place === undefined ? (
    <span class="moved up">from further down</span>
  ) : (
    <>
      <Moved places={place - index - 1} /> <span class="soft">from {place}</span>
    </>
  );
}

interface ColumnProps {
  title: string;
  time: number | undefined;
  rows: readonly SearchRow[];
  question: string;
  scoreOf: (row: SearchRow) => number;
  children: (row: SearchRow, index: number) => JSX.Element | null;
}

function Column({ title, time, rows, question, scoreOf, children }: ColumnProps): JSX.Element {
  return (
    <div class="column">
      <h2>
        {title} {time !== undefined && <span class="soft">{milliseconds(time)}</span>}
      </h2>
      <ol>
        {rows.map((row, index) => (
          <li key={row.id}>
            <p class="passage clamped">
              <Highlighted text={readable(row.content, row.metadata.headers)} query={question} />
            </p>
            <p class="column-line">
              <span class="number">{score(scoreOf(row))}</span> {children(row, index)}{" "}
              <span class="soft source">{titleOf(row)}</span>
            </p>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Every row of a column is as high as every other, so a place is a height. A passage from beyond the list comes from below it. */
function Lines({ connections, rows }: { connections: readonly Link[]; rows: number }): JSX.Element {
  const height = (place: number | null): number => (place ?? rows) + 0.5;
  return (
    <svg class="lines" viewBox={`0 0 10 ${rows}`} preserveAspectRatio="none" aria-hidden="true">
      {connections.map(({ id, from, to }) => (
        <path
          key={id}
          class={from === null || (to !== null && to < from) ? "up" : to === null || to > from ? "down" : "same"}
          d={`M0 ${height(from)} C5 ${height(from)} 5 ${height(to)} 10 ${height(to)}`}
          vector-effect="non-scaling-stroke"
        />
      ))}
    </svg>
  );
}
