import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import { UnreachableError } from "../api/errors";
import type { SearchReply } from "../api/types";
import { announce } from "../components/announcer";
import { Loading, Switch } from "../components/controls";
import { ErrorNotice } from "../components/notice";
import { pluralise } from "../format";
import { href } from "../route";
import { Comparison } from "./search/comparison";
import { Results } from "./search/results";

const DEFAULT_MATCH_COUNT = 5;
const MATCH_COUNTS = [DEFAULT_MATCH_COUNT, 10, 20];
/** How long the page waits before it retries a search that no server answered. */
const RETRY_SECONDS = 3;

interface SearchRequest {
  query: string;
  matchCount: number;
  /** Whether to show the results beside those of retrieval only. */
  compare: boolean;
}

interface SearchResult {
  request: SearchRequest;
  reply: SearchReply;
  /** The same search without reranking, if a comparison was requested. */
  retrievalReply?: SearchReply;
}

/** The request is kept in the URL, so that it can be reloaded and bookmarked, and the browser's back button works. */
export function Search({ query: parameters }: { query: URLSearchParams }): JSX.Element {
  const request: SearchRequest = {
    query: parameters.get("q") ?? "",
    matchCount: MATCH_COUNTS.find((count) => String(count) === parameters.get("n")) ?? DEFAULT_MATCH_COUNT,
    compare: parameters.get("compare") === "1",
  };
  const [input, setInput] = useState(request.query);
  const [attempt, setAttempt] = useState(0);
  const { result, error, busy } = useSearch(request, attempt);
  const id = useId();

  useEffect(() => {
    if (!(error instanceof UnreachableError) || busy) {
      return;
    }
    const timer = setTimeout(() => {
      setAttempt((last) => last + 1);
    }, RETRY_SECONDS * 1000);
    return () => {
      clearTimeout(timer);
    };
  }, [error, busy]);
  const previousQuery = useRef(request.query);
  useEffect(() => {
    // Only when the query changes: on the first render this would discard what the person has already typed.
    if (previousQuery.current !== request.query) {
      previousQuery.current = request.query;
      setInput(request.query);
    }
  }, [request.query]);

  const submit = (changes: Partial<SearchRequest>): void => {
    const { query: q, matchCount, compare } = { ...request, query: input.trim(), ...changes };
    location.hash = href("search", {
      ...(q === "" ? {} : { q }),
      ...(matchCount === DEFAULT_MATCH_COUNT ? {} : { n: String(matchCount) }),
      ...(compare ? { compare: "1" } : {}),
    });
    setAttempt((last) => last + 1);
  };

  return (
    <>
      <form
        class="search-form"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          submit({});
        }}
      >
        <label class="visually-hidden" for={id}>
          Question or keywords
        </label>
        <div class="input-row">
          <input
            id={id}
            type="search"
            placeholder="Ask a question about your documents"
            maxLength={2000}
            autocomplete="off"
            value={input}
            onInput={(event) => {
              setInput(event.currentTarget.value);
            }}
          />
          <button type="submit" disabled={busy}>
            {busy ? "Searching …" : "Search"}
          </button>
        </div>
        <div class="search-options">
          <Switch
            label="Compare with retrieval only"
            checked={request.compare}
            onChange={(compare) => {
              submit({ compare });
            }}
          />
          <span class="search-option">
            <label for={`${id}-n`}>Passages</label>
            <select
              id={`${id}-n`}
              value={String(request.matchCount)}
              onChange={(event) => {
                submit({ matchCount: Number(event.currentTarget.value) });
              }}
            >
              {MATCH_COUNTS.map((count) => (
                <option key={count} value={String(count)}>
                  {count}
                </option>
              ))}
            </select>
          </span>
        </div>
      </form>
      {error && (
        <ErrorNotice
          what="The search failed"
          error={error}
          retry={() => {
            setAttempt((last) => last + 1);
          }}
        />
      )}
      <div aria-busy={busy} class={busy ? "stale" : ""}>
        {result && <SearchOutput result={result} />}
        {!result && !error && (busy ? <Loading what="search results" /> : <EmptyState />)}
      </div>
    </>
  );
}

function SearchOutput({ result: { request, reply, retrievalReply } }: { result: SearchResult }): JSX.Element {
  return retrievalReply ? (
    <Comparison query={request.query} retrieval={retrievalReply} reranked={reply} />
  ) : (
    <Results query={request.query} reply={reply} />
  );
}

function EmptyState(): JSX.Element {
  return (
    <p class="empty">
      Retrieval finds candidates by words, and by vectors if they are configured. The model then compares each one with
      the query and puts the best ones first. You can add documents under <a href={href("knowledge")}>Knowledge</a>.
    </p>
  );
}

interface SearchState {
  result: SearchResult | undefined;
  error: Error | undefined;
  busy: boolean;
}

/** Searches whenever the request or `attempt` changes. The last result stays until the next one arrives. */
function useSearch(request: SearchRequest, attempt: number): SearchState {
  const [state, setState] = useState<SearchState>({
    result: undefined,
    error: undefined,
    busy: false,
  });
  const { query, matchCount, compare } = request;
  useEffect(() => {
    if (query === "") {
      setState({ result: undefined, error: undefined, busy: false });
      return;
    }
    const controller = new AbortController();
    // An unreachable server stays reported until it answers: a screen reader would read a new alert on every retry.
    setState((last) => ({
      result: last.result,
      error: last.error instanceof UnreachableError ? last.error : undefined,
      busy: true,
    }));
    // In sequence: two searches at a time would compete for the processor and distort the timings.
    const run = async (): Promise<SearchResult> => {
      const retrievalReply = compare
        ? await api.search(query, { matchCount, rerank: false }, controller.signal)
        : undefined;
      const reply = await api.search(query, { matchCount, ...(compare && { rerank: true }) }, controller.signal);
      return { request, reply, ...(retrievalReply && { retrievalReply }) };
    };
    run().then(
      (result) => {
        if (!controller.signal.aborted) {
          setState({ result, error: undefined, busy: false });
          announce(
            `${pluralise(result.reply.results.length, "passage")} found, ${result.reply.reranking_applied ? "reranked" : "not reranked"}`,
          );
        }
      },
      (error: unknown) => {
        if (!controller.signal.aborted) {
          setState({ result: undefined, error: error as Error, busy: false });
        }
      },
    );
    return () => {
      controller.abort();
    };
  }, [query, matchCount, compare, attempt]);
  return state;
}
