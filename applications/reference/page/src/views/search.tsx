import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import { Unreachable } from "../api/errors";
import type { SearchReply } from "../api/shapes";
import { count } from "../format";
import { announce } from "../components/announce";
import { Loading, Switch } from "../components/controls";
import { Failure } from "../components/notice";
import { href } from "../route";
import { Comparison } from "./search/comparison";
import { Results } from "./search/results";

const COUNTS = [5, 10, 20];
/** How long after the server did not answer the question is asked again. */
const RETRY_SECONDS = 3;

interface Question {
  text: string;
  matchCount: number;
  compare: boolean;
}

interface Answer {
  question: Question;
  reply: SearchReply;
  /** Retrieval's own order, where a comparison was asked for. */
  plain?: SearchReply;
}

/** The question stands in the address, so that the browser's buttons, a reload and a bookmark mean what they say. */
export function Search({ query }: { query: URLSearchParams }): JSX.Element {
  const question: Question = {
    text: query.get("q") ?? "",
    matchCount: COUNTS.find((each) => String(each) === query.get("n")) ?? 5,
    compare: query.get("compare") === "1",
  };
  const [text, setText] = useState(question.text);
  const [turn, setTurn] = useState(0);
  const { answer, error, busy } = useAnswer(question, turn);
  const id = useId();

  useEffect(() => {
    if (!(error instanceof Unreachable) || busy) {
      return;
    }
    const timer = setTimeout(() => {
      setTurn((last) => last + 1);
    }, RETRY_SECONDS * 1000);
    return () => {
      clearTimeout(timer);
    };
  }, [error, busy]);
  const asked = useRef(question.text);
  useEffect(() => {
    // Not when the view appears: what was typed before this ran would be lost.
    if (asked.current !== question.text) {
      asked.current = question.text;
      setText(question.text);
    }
  }, [question.text]);

  const ask = (changes: Partial<Question>): void => {
    const { text: q, matchCount, compare } = { ...question, text: text.trim(), ...changes };
    location.hash = href("search", {
      ...(q === "" ? {} : { q }),
      ...(matchCount === 5 ? {} : { n: String(matchCount) }),
      ...(compare ? { compare: "1" } : {}),
    });
    setTurn((last) => last + 1);
  };

  return (
    <>
      <form
        class="ask"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          ask({});
        }}
      >
        <label class="visually-hidden" for={id}>
          Question or words to look for
        </label>
        <div class="ask-line">
          <input
            id={id}
            type="search"
            placeholder="Ask the documents something"
            maxLength={2000}
            autocomplete="off"
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
            }}
          />
          <button type="submit" disabled={busy}>
            {busy ? "Searching …" : "Search"}
          </button>
        </div>
        <div class="ask-options">
          <Switch
            label="Compare with retrieval alone"
            checked={question.compare}
            onChange={(compare) => {
              ask({ compare });
            }}
          />
          <span class="choice">
            <label for={`${id}-n`}>Passages</label>
            <select
              id={`${id}-n`}
              value={String(question.matchCount)}
              onChange={(event) => {
                ask({ matchCount: Number(event.currentTarget.value) });
              }}
            >
              {COUNTS.map((each) => (
                <option key={each} value={String(each)}>
                  {each}
                </option>
              ))}
            </select>
          </span>
        </div>
      </form>
      {error && (
        <Failure
          what="The search did not work"
          error={error}
          retry={() => {
            setTurn((last) => last + 1);
          }}
        />
      )}
      <div aria-busy={busy} class={busy ? "stale" : ""}>
        {answer ? (
          <Shown answer={answer} />
        ) : busy && !error ? (
          <Loading what="passages, and letting the model judge them" />
        ) : (
          !error && <Invitation />
        )}
      </div>
    </>
  );
}

function Shown({ answer: { question, reply, plain } }: { answer: Answer }): JSX.Element {
  return question.compare && plain ? (
    <Comparison question={question.text} plain={plain} reranked={reply} />
  ) : (
    <Results question={question.text} reply={reply} />
  );
}

function Invitation(): JSX.Element {
  return (
    <p class="empty">
      Retrieval finds the passages that share words with the question; the model then reads each of them beside the
      question and puts the best first. Documents come in under <a href={href("knowledge")}>Knowledge</a>.
    </p>
  );
}

/** Asks the server whenever the question or `turn` changes; what was answered last stays meanwhile. */
function useAnswer(
  question: Question,
  turn: number,
): { answer: Answer | undefined; error: Error | undefined; busy: boolean } {
  const [state, setState] = useState<{ answer: Answer | undefined; error: Error | undefined; busy: boolean }>({
    answer: undefined,
    error: undefined,
    busy: false,
  });
  const { text, matchCount, compare } = question;
  useEffect(() => {
    if (text === "") {
      setState({ answer: undefined, error: undefined, busy: false });
      return;
    }
    const stop = new AbortController();
    // That the server does not answer stays said until it does: said anew each time it would be read out each time.
    setState((last) => ({
      answer: last.answer,
      error: last.error instanceof Unreachable ? last.error : undefined,
      busy: true,
    }));
    // One after the other: together they would share the processor and spoil each other's timings.
    const run = async (): Promise<Answer> => {
      const plain = compare ? await api.search(text, { matchCount, rerank: false }, stop.signal) : undefined;
      const reply = await api.search(text, { matchCount, ...(compare && { rerank: true }) }, stop.signal);
      return { question, reply, ...(plain && { plain }) };
    };
    run().then(
      (answer) => {
        if (!stop.signal.aborted) {
          setState({ answer, error: undefined, busy: false });
          announce(
            `${count(answer.reply.results.length, "passage")} found, ${answer.reply.reranking_applied ? "reranked" : "not reranked"}`,
          );
        }
      },
      (error: unknown) => {
        if (!stop.signal.aborted) {
          setState({ answer: undefined, error: error as Error, busy: false });
        }
      },
    );
    return () => {
      stop.abort();
    };
  }, [text, matchCount, compare, turn]);
  return state;
}
