import { createContext, type JSX } from "preact";
import { useContext } from "preact/hooks";
import { api } from "./api/client";
import type { Health } from "./api/shapes";
import { useLoaded, type Loaded } from "./use-polling";
import { Notice } from "./components/notice";

const POLL_SECONDS = 5;

const Context = createContext<Loaded<Health>>({ value: undefined, error: undefined, reload: () => undefined });
export const HealthProvider = Context.Provider;

export function usePolledHealth(): Loaded<Health> {
  return useLoaded(api.health, [], (health) => (health.ready ? POLL_SECONDS : 1));
}

export function useHealth(): Loaded<Health> {
  return useContext(Context);
}

/** One word on the server, for the corner of the page. */
export function HealthMark(): JSX.Element {
  const { value, error } = useHealth();
  const [tone, text] = error
    ? ["bad", "no answer"]
    : value === undefined
      ? ["unknown", "…"]
      : isDegraded(value)
        ? ["bad", "not reranking"]
        : value.ready
          ? ["good", "ready"]
          : ["busy", value.status];
  return <span class={`mark ${tone}`}>{text}</span>;
}

/** What hinders the server at the moment, on every view; nothing when all is well. */
export function HealthBanner(): JSX.Element | null {
  const { value, error } = useHealth();
  if (error) {
    return (
      <Notice tone="error" title="The server does not answer.">
        <p>
          It may be starting or being replaced. The page keeps trying, and what you typed stays. If it stays away, look
          at its container on the host: <code>docker ps --all --filter label=io.archon.component=server</code>
        </p>
      </Notice>
    );
  }
  if (value && isDegraded(value)) {
    return (
      <Notice
        tone="warning"
        title={`Reranking does not work at the moment: ${value.reranking?.error ?? value.reranking?.status ?? ""}`}
      >
        <p>
          Searches are answered in retrieval's order. The server keeps trying to bring the model back; another one can
          be activated under <a href="#/models">Models</a>.
        </p>
      </Notice>
    );
  }
  if (value && !value.ready) {
    return (
      <Notice tone="warning" title={value.message ?? `The server is ${value.status}.`}>
        <p>Searches are answered by retrieval alone until the model is ready.</p>
      </Notice>
    );
  }
  return null;
}

function isDegraded({ reranking }: Health): boolean {
  return reranking !== undefined && ["degraded", "failed"].includes(reranking.status);
}
