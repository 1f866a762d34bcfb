import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { SearchReply, SearchRow } from "../../api/shapes";
import { count, highlighted, milliseconds, readable, score, sentence } from "../../format";
import { Meter } from "../../components/controls";
import { Notice } from "../../components/notice";
import { moved, movement } from "../../ranks";
import { href } from "../../route";

/** Characters of a passage that are shown before the reader asks for the rest. */
const PREVIEW = 420;

export function Results({ question, reply }: { question: string; reply: SearchReply }): JSX.Element {
  if (reply.results.length === 0) {
    return <NothingFound />;
  }
  return (
    <section aria-label="Results">
      <Shortcomings reply={reply} />
      <p class="summary">
        {count(reply.results.length, "passage")}
        {timing(reply)}
      </p>
      <ol class="results">
        {reply.results.map((row, index) => (
          <Result key={row.id} row={row} rank={index + 1} question={question} />
        ))}
      </ol>
    </section>
  );
}

export function NothingFound(): JSX.Element {
  return (
    <Notice tone="info" title="No passage shares a word with this question.">
      <p>
        Try other words, or fewer. What is stored stands under <a href={href("knowledge")}>Knowledge</a>, where more can
        be added.
      </p>
    </Notice>
  );
}

/** What did not work, though the search was answered. */
export function Shortcomings({ reply }: { reply: SearchReply }): JSX.Element {
  return (
    <>
      {typeof reply.search_error === "string" && (
        <Notice tone="warning" title="Vectors took no part in this search.">
          <p>{sentence(reply.search_error)} Words alone were searched.</p>
        </Notice>
      )}
      {!reply.reranking_applied && typeof reply.reranking_error === "string" && (
        <Notice tone="warning" title="These passages are not reranked.">
          <p>
            {sentence(reply.reranking_error)} They stand in retrieval’s order. The state of the model is shown under{" "}
            <a href={href("models")}>Models</a>.
          </p>
        </Notice>
      )}
    </>
  );
}

/** `, found in 3.1 ms and reranked by demo in 38 ms`. */
function timing({ timings, reranking_applied: reranked, model }: SearchReply): string {
  if (!timings) {
    return "";
  }
  const found = `, found in ${milliseconds(timings.retrieval_ms)}`;
  return reranked
    ? `${found} and reranked by ${model ?? "the model"} in ${milliseconds(timings.rerank_ms)}`
    : `${found}, in retrieval’s order`;
}

function Result({ row, rank, question }: { row: SearchRow; rank: number; question: string }): JSX.Element {
  const [whole, setWhole] = useState(false);
  const content = readable(row.content, row.metadata.headers);
  const long = content.length > PREVIEW * 1.25;
  const text = long && !whole ? `${content.slice(0, PREVIEW).replace(/\s+\S*$/, "")} …` : content;
  return (
    <li class="result">
      <span class="rank" aria-hidden="true">
        {rank}
      </span>
      <article>
        <h2>{titleOf(row)}</h2>
        {row.metadata.headers && <p class="crumbs">{row.metadata.headers}</p>}
        <p class="passage">
          <Highlighted text={text} query={question} />
        </p>
        {long && (
          <button
            type="button"
            class="link"
            aria-expanded={whole}
            onClick={() => {
              setWhole(!whole);
            }}
          >
            {whole ? "Show less" : "Show the whole passage"}
          </button>
        )}
        <Scores row={row} rank={rank} />
      </article>
    </li>
  );
}

export function titleOf({ metadata }: SearchRow): string {
  return metadata.filename ?? metadata.source ?? metadata.url ?? "Untitled";
}

export function Highlighted({ text, query }: { text: string; query: string }): JSX.Element {
  return (
    <>
      {highlighted(text, query).map((piece, index) => (piece.hit ? <mark key={index}>{piece.text}</mark> : piece.text))}
    </>
  );
}

function Scores({ row, rank }: { row: SearchRow; rank: number }): JSX.Element {
  const { rerank_score: reranked, similarity_score: similarity } = row;
  const places = typeof reranked === "number" ? moved(rank, row) : undefined;
  return (
    <dl class="scores">
      {typeof reranked === "number" && (
        <div>
          <dt>After reranking</dt>
          <dd>
            <Meter value={reranked} tone="strong" /> <span class="number">{score(reranked)}</span>
          </dd>
        </div>
      )}
      <div>
        <dt>{typeof reranked === "number" ? "Before" : "Retrieval"}</dt>
        <dd>
          <Meter value={similarity} tone="soft" /> <span class="number">{score(similarity)}</span>
        </dd>
      </div>
      {places !== undefined && (
        <div>
          <dt>Moved</dt>
          <dd>
            <Moved places={places} /> <span class="soft">from {row.retrieval_rank}</span>
          </dd>
        </div>
      )}
    </dl>
  );
}

export function Moved({ places }: { places: number }): JSX.Element {
  return <span class={`moved ${places > 0 ? "up" : places < 0 ? "down" : "same"}`}>{movement(places)}</span>;
}
