import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { SearchReply, SearchHit } from "../../api/types";
import { Meter } from "../../components/controls";
import { Notice } from "../../components/notice";
import { formatMilliseconds, formatScore, pluralise, withFullStop } from "../../format";
import { displayText, highlight } from "../../passage";
import { describeRankChange, rankChange } from "../../rankings";
import { href } from "../../route";

/** How many characters of a long passage are shown at first. */
const PREVIEW_LENGTH = 420;
/** A passage is shortened only if that hides a noticeable part of it. */
const SHORTEN_FROM = PREVIEW_LENGTH * 1.25;

export function Results({ query, reply }: { query: string; reply: SearchReply }): JSX.Element {
  if (reply.results.length === 0) {
    return <NoResults />;
  }
  return (
    <section aria-label="Results">
      <SearchWarnings reply={reply} />
      <p class="summary">
        {pluralise(reply.results.length, "passage")}
        {timing(reply)}
      </p>
      <ol class="results">
        {reply.results.map((row, index) => (
          <Result key={row.id} row={row} rank={index + 1} query={query} />
        ))}
      </ol>
    </section>
  );
}

export function NoResults(): JSX.Element {
  return (
    <Notice tone="info" title="No passage matches this query.">
      <p>
        Try other words, or fewer. <a href={href("knowledge")}>Knowledge</a> lists the stored documents; you can add
        more there.
      </p>
    </Notice>
  );
}

/** What failed although the search returned results. */
export function SearchWarnings({ reply }: { reply: SearchReply }): JSX.Element {
  return (
    <>
      {reply.search_error !== null && (
        <Notice tone="warning" title="This search used keywords only.">
          <p>Vector search failed: {withFullStop(reply.search_error)}</p>
        </Notice>
      )}
      {!reply.reranking_applied && reply.reranking_error !== null && (
        <Notice tone="warning" title="These passages are not reranked.">
          <p>
            {withFullStop(reply.reranking_error)} They are in retrieval order. See <a href={href("models")}>Models</a>{" "}
            for the state of the model.
          </p>
        </Notice>
      )}
    </>
  );
}

/** `, found in 3.1 ms and reranked by demo in 38 ms`. */
function timing({ timings, reranking_applied: reranked, model }: SearchReply): string {
  const found = `, found in ${formatMilliseconds(timings.retrieval_ms)}`;
  return reranked
    ? `${found} and reranked by ${model ?? "the model"} in ${formatMilliseconds(timings.rerank_ms)}`
    : `${found}, in retrieval order`;
}

function Result({ row, rank, query }: { row: SearchHit; rank: number; query: string }): JSX.Element {
  const [expanded, setExpanded] = useState(false);
  const content = displayText(row.content, row.metadata.headers);
  const long = content.length > SHORTEN_FROM;
  const text = long && !expanded ? `${content.slice(0, PREVIEW_LENGTH).replace(/\s+\S*$/, "")} …` : content;
  return (
    <li class="result">
      <span class="rank" aria-hidden="true">
        {rank}
      </span>
      <article>
        <h2>{titleOf(row)}</h2>
        {row.metadata.headers && <p class="crumbs">{row.metadata.headers}</p>}
        <p class="passage">
          <Highlighted text={text} query={query} />
        </p>
        {long && (
          <button
            type="button"
            class="link"
            aria-expanded={expanded}
            onClick={() => {
              setExpanded(!expanded);
            }}
          >
            {expanded ? "Show less" : "Show the whole passage"}
          </button>
        )}
        <Scores row={row} rank={rank} />
      </article>
    </li>
  );
}

export function titleOf({ metadata }: SearchHit): string {
  return metadata.filename;
}

export function Highlighted({ text, query }: { text: string; query: string }): JSX.Element {
  return (
    <>
      {highlight(text, query).map((segment, index) =>
        segment.match ? <mark key={index}>{segment.text}</mark> : segment.text,
      )}
    </>
  );
}

function Scores({ row, rank }: { row: SearchHit; rank: number }): JSX.Element {
  const { rerank_score: reranked, similarity_score: similarity } = row;
  const change = typeof reranked === "number" ? rankChange(rank, row) : undefined;
  return (
    <dl class="scores">
      {typeof reranked === "number" && (
        <div>
          <dt>After reranking</dt>
          <dd>
            <Meter value={reranked} tone="strong" /> <span class="number">{formatScore(reranked)}</span>
          </dd>
        </div>
      )}
      <div>
        <dt>{typeof reranked === "number" ? "Before" : "Retrieval"}</dt>
        <dd>
          <Meter value={similarity} tone="muted" /> <span class="number">{formatScore(similarity)}</span>
        </dd>
      </div>
      {change !== undefined && (
        <div>
          <dt>Moved</dt>
          <dd>
            <RankChange change={change} /> <span class="muted">from {row.retrieval_rank}</span>
          </dd>
        </div>
      )}
    </dl>
  );
}

export function RankChange({ change }: { change: number }): JSX.Element {
  const direction = change === 0 ? "same" : change > 0 ? "up" : "down";
  return <span class={`rank-change ${direction}`}>{describeRankChange(change)}</span>;
}
