import { createContext, type JSX } from "preact";
import { useContext } from "preact/hooks";
import { api } from "./api/client";
import type { Health } from "./api/types";
import { Notice } from "./components/notice";
import { href } from "./route";
import { usePolling, type Polling } from "./use-polling";

const POLL_SECONDS = 5;
const NOT_READY_POLL_SECONDS = 1;

const Context = createContext<Polling<Health>>({ value: undefined, error: undefined, reload: () => undefined });
export const HealthProvider = Context.Provider;

export function usePolledHealth(): Polling<Health> {
  return usePolling(api.health, [], (health) => (health.ready ? POLL_SECONDS : NOT_READY_POLL_SECONDS));
}

export function useHealth(): Polling<Health> {
  return useContext(Context);
}

/** The server's state in a word or two, for the header. */
export function HealthIndicator(): JSX.Element {
  const { value, error } = useHealth();
  const [tone, text] = error ? ["bad", "unreachable"] : indicatorFor(value);
  return <span class={`health-indicator ${tone}`}>{text}</span>;
}

function indicatorFor(health: Health | undefined): [tone: string, text: string] {
  if (health === undefined) {
    return ["unknown", "…"];
  }
  if (isDegraded(health)) {
    return ["bad", "not reranking"];
  }
  return health.ready ? ["good", "ready"] : ["busy", health.status];
}

/** What is wrong with the server, shown on every view; nothing if the server is healthy. */
export function HealthBanner(): JSX.Element | null {
  const { value, error } = useHealth();
  if (error) {
    return (
      <Notice tone="error" title="The server does not answer.">
        <p>
          It may be starting, or an update may be replacing it. The page keeps trying and keeps what you have typed. If
          this does not pass, check the container on the host:{" "}
          <code>docker ps --all --filter label=io.archon.component=server</code>
        </p>
      </Notice>
    );
  }
  if (value && isDegraded(value)) {
    return (
      <Notice tone="warning" title={`Reranking is not working: ${value.reranking.error ?? value.reranking.status}`}>
        <p>
          Search results are in retrieval order. The server keeps trying to load the model. You can activate another one
          under <a href={href("models")}>Models</a>.
        </p>
      </Notice>
    );
  }
  if (value && !value.ready) {
    return (
      <Notice tone="warning" title={value.message ?? `The server is ${value.status}.`}>
        <p>Search results are in retrieval order until the model is ready.</p>
      </Notice>
    );
  }
  return null;
}

function isDegraded({ reranking }: Health): boolean {
  return ["degraded", "failed"].includes(reranking.status);
}
