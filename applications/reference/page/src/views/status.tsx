import type { JSX } from "preact";
import { api } from "../api/client";
import type { MlHealth } from "../api/types";
import { Fact, Loading } from "../components/controls";
import { ErrorNotice } from "../components/notice";
import { formatBytes, formatDuration, formatInteger, formatSeconds, pluralise, shortHash } from "../format";
import { useHealth } from "../health";
import { parseMetrics, quantile, sumSeries, type Sample } from "../metrics";
import { usePolling } from "../use-polling";

const POLL_SECONDS = 5;
const SEARCH_ROUTES = ["/api/rag/query", "/api/knowledge/search", "/api/knowledge-items/search"];

export function Status(): JSX.Element {
  const ml = usePolling(api.ml, [], POLL_SECONDS);
  const metrics = usePolling(async (signal) => parseMetrics(await api.metrics(signal)), [], POLL_SECONDS);
  return (
    <>
      <Service environmentKey={ml.value?.environment_key} />
      <section aria-labelledby="activity">
        <h2 id="activity">Since the server started</h2>
        {metrics.error && (
          <ErrorNotice what="The metrics could not be loaded" error={metrics.error} retry={metrics.reload} />
        )}
        {metrics.value ? <Activity samples={metrics.value} /> : !metrics.error && <Loading what="the metrics" />}
      </section>
      <section aria-labelledby="reranking">
        <h2 id="reranking">Reranking</h2>
        {ml.error && (
          <ErrorNotice what="The state of the model could not be loaded" error={ml.error} retry={ml.reload} />
        )}
        {ml.value ? <Reranking ml={ml.value} /> : !ml.error && <Loading what="the state of the model" />}
      </section>
    </>
  );
}

function Service({ environmentKey }: { environmentKey: string | undefined }): JSX.Element {
  const { value } = useHealth();
  return (
    <section aria-labelledby="service">
      <h2 id="service">Service</h2>
      <dl class="facts">
        <Fact name="State">{value?.status ?? "–"}</Fact>
        <Fact name="Service">{value?.service_name ?? "–"}</Fact>
        <Fact name="Release">
          <span class="mono">{shortHash(value?.release)}</span>
        </Fact>
        <Fact name="ML environment">
          <span class="mono">{shortHash(environmentKey)}</span>
        </Fact>
      </dl>
    </section>
  );
}

function Activity({ samples }: { samples: readonly Sample[] }): JSX.Element {
  const requests = "archon_request_seconds";
  const started = sumSeries(samples, "process_start_time_seconds");
  const isSearch = (labels: Readonly<Record<string, string>>): boolean => SEARCH_ROUTES.includes(labels["route"] ?? "");
  const latencies = (name: string): string => {
    const [p50, p95] = [quantile(samples, name, 0.5), quantile(samples, name, 0.95)];
    return p50 === undefined ? "–" : `${formatSeconds(p50)} · ${formatSeconds(p95)}`;
  };
  return (
    <dl class="facts wide">
      <Fact name="Running for">{started === undefined ? "–" : formatDuration(Date.now() / 1000 - started)}</Fact>
      <Fact name="Documents">{formatInteger(sumSeries(samples, "archon_documents"))}</Fact>
      <Fact name="Passages">{formatInteger(sumSeries(samples, "archon_chunks"))}</Fact>
      <Fact name="Requests">{formatInteger(sumSeries(samples, `${requests}_count`))}</Fact>
      <Fact name="Searches">{formatInteger(sumSeries(samples, `${requests}_count`, isSearch) ?? 0)}</Fact>
      <Fact name="Responses with status 5xx">
        {formatInteger(sumSeries(samples, `${requests}_count`, ({ status = "" }) => status.startsWith("5")) ?? 0)}
      </Fact>
      <Fact name="Retrieval, p50 · p95">{latencies("archon_retrieval_seconds")}</Fact>
      <Fact name="Reranking, p50 · p95">{latencies("archon_rerank_seconds")}</Fact>
      <Fact name="Pairs scored">{formatInteger(sumSeries(samples, "archon_rerank_pairs_total"))}</Fact>
      <Fact name="Reranking failures">{formatInteger(sumSeries(samples, "archon_rerank_failures_total"))}</Fact>
      <Fact name="Model loaded in">{formatSeconds(sumSeries(samples, "archon_model_load_seconds"))}</Fact>
      <Fact name="Process memory">{formatBytes(sumSeries(samples, "process_resident_memory_bytes"))}</Fact>
    </dl>
  );
}

function Reranking({ ml }: { ml: MlHealth }): JSX.Element {
  const { model, versions, known_answer: baseline } = ml;
  return (
    <>
      <dl class="facts">
        <Fact name="State">{ml.status}</Fact>
        <Fact name="Model">{model ? model.name : "none"}</Fact>
        <Fact name="Commit">
          <span class="mono">{model ? shortHash(model.revision) : "–"}</span>
        </Fact>
        <Fact name="Baseline check">
          {baseline.passed ? `passed (${pluralise(baseline.questions.length, "question")})` : "not passed"}
        </Fact>
        <Fact name="Device">{ml.device ?? "–"}</Fact>
        <Fact name="Precision">{ml.dtype ?? "–"}</Fact>
        <Fact name="Threads">{formatInteger(ml.threads)}</Fact>
        <Fact name="Loaded in">{formatSeconds(ml.load_seconds)}</Fact>
      </dl>
      {ml.error !== null && <p class="problem">{ml.error}</p>}
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
