import type { JSX } from "preact";
import { api } from "../api/client";
import type { MlHealth } from "../api/shapes";
import { bytes, integer, seconds, short, span } from "../format";
import { useHealth } from "../health";
import { useLoaded } from "../use-polling";
import { parseMetrics, quantile, total, type Sample } from "../metrics";
import { Fact, Loading } from "../components/controls";
import { Failure } from "../components/notice";

const POLL_SECONDS = 5;
const SEARCH_ROUTES = ["/api/rag/query", "/api/knowledge/search", "/api/knowledge-items/search"];

export function Status(): JSX.Element {
  const ml = useLoaded(api.ml, [], POLL_SECONDS);
  const metrics = useLoaded(async (signal) => parseMetrics(await api.metrics(signal)), [], POLL_SECONDS);
  return (
    <>
      <Service environment={ml.value?.environment_key} />
      <section aria-labelledby="activity">
        <h2 id="activity">Since the start</h2>
        {metrics.error && (
          <Failure what="The metrics could not be loaded" error={metrics.error} retry={metrics.reload} />
        )}
        {metrics.value ? <Activity samples={metrics.value} /> : !metrics.error && <Loading what="the metrics" />}
      </section>
      <section aria-labelledby="reranking">
        <h2 id="reranking">Reranking</h2>
        {ml.error && <Failure what="The state of the model could not be loaded" error={ml.error} retry={ml.reload} />}
        {ml.value ? <Reranking ml={ml.value} /> : !ml.error && <Loading what="the state of the model" />}
      </section>
    </>
  );
}

function Service({ environment }: { environment: string | undefined }): JSX.Element {
  const { value } = useHealth();
  return (
    <section aria-labelledby="service">
      <h2 id="service">Service</h2>
      <dl class="facts">
        <Fact name="State">{value?.status ?? "–"}</Fact>
        <Fact name="Service">{value?.service_name ?? "–"}</Fact>
        <Fact name="Release">
          <span class="mono">{short(value?.release)}</span>
        </Fact>
        <Fact name="Environment">
          <span class="mono">{short(environment)}</span>
        </Fact>
      </dl>
    </section>
  );
}

function Activity({ samples }: { samples: readonly Sample[] }): JSX.Element {
  const requests = "archon_request_seconds";
  const started = total(samples, "process_start_time_seconds");
  const isSearch = (labels: Readonly<Record<string, string>>): boolean => SEARCH_ROUTES.includes(labels["route"] ?? "");
  const times = (name: string): string => {
    const [half, most] = [quantile(samples, name, 0.5), quantile(samples, name, 0.95)];
    return half === undefined ? "–" : `${seconds(half)} · ${seconds(most)}`;
  };
  return (
    <dl class="facts wide">
      <Fact name="Running for">{started === undefined ? "–" : span(Date.now() / 1000 - started)}</Fact>
      <Fact name="Documents">{integer(total(samples, "archon_documents"))}</Fact>
      <Fact name="Passages">{integer(total(samples, "archon_chunks"))}</Fact>
      <Fact name="Requests">{integer(total(samples, `${requests}_count`))}</Fact>
      <Fact name="Searches">{integer(total(samples, `${requests}_count`, isSearch) ?? 0)}</Fact>
      <Fact name="Answered with 5xx">
        {integer(total(samples, `${requests}_count`, ({ status = "" }) => status.startsWith("5")) ?? 0)}
      </Fact>
      <Fact name="Retrieval, p50 · p95">{times("archon_retrieval_seconds")}</Fact>
      <Fact name="Reranking, p50 · p95">{times("archon_rerank_seconds")}</Fact>
      <Fact name="Pairs scored">{integer(total(samples, "archon_rerank_pairs_total"))}</Fact>
      <Fact name="Reranking failed">{integer(total(samples, "archon_rerank_failures_total"))}</Fact>
      <Fact name="Model loaded in">{seconds(total(samples, "archon_model_load_seconds"))}</Fact>
      <Fact name="Memory of the process">{bytes(total(samples, "process_resident_memory_bytes"))}</Fact>
    </dl>
  );
}

function Reranking({ ml }: { ml: MlHealth }): JSX.Element {
  const { model, versions, known_answer: answer } = ml;
  return (
    <>
      <dl class="facts">
        <Fact name="State">{ml.status}</Fact>
        <Fact name="Model">{model ? model.name : "none"}</Fact>
        <Fact name="Commit">
          <span class="mono">{model ? short(model.revision) : "–"}</span>
        </Fact>
        <Fact name="Known answers">
          {answer?.passed === true ? `${answer.questions.length} of ${answer.questions.length} right` : "not given"}
        </Fact>
        <Fact name="Device">{ml.device ?? "–"}</Fact>
        <Fact name="Precision">{ml.dtype ?? "–"}</Fact>
        <Fact name="Threads">{integer(ml.threads ?? undefined)}</Fact>
        <Fact name="Loaded in">{seconds(ml.load_seconds)}</Fact>
      </dl>
      {typeof ml.error === "string" && <p class="problem">{ml.error}</p>}
      <h3>Versions</h3>
      <dl class="facts">
        {Object.entries(versions).map(([name, version]) => (
          <Fact key={name} name={name}>
            <span class="mono">{version ?? "not installed"}</span>
          </Fact>
        ))}
      </dl>
    </>
  );
}
