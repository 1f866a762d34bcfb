import type { JSX } from "preact";
import type { Model } from "../api/types";
import { Fact, Loading } from "../components/controls";
import { ErrorNotice, Notice } from "../components/notice";
import { formatBytes, formatDateTime, formatSeconds, shortHash, withFullStop } from "../format";
import { useModels } from "./use-models";

const STATE_LABELS: Readonly<Record<Model["state"], string>> = {
  absent: "missing",
  present: "not loaded",
  loading: "loading",
  ready: "loaded and verified",
  failed: "failed",
};

export function Models(): JSX.Element {
  const { value, error, reload, pending, failure, activate } = useModels();
  if (!value) {
    return error ? (
      <ErrorNotice what="The models could not be loaded" error={error} retry={reload} />
    ) : (
      <Loading what="the models" />
    );
  }
  const { models, memory, notice } = value;
  return (
    <>
      {error && <ErrorNotice what="The models could not be reloaded" error={error} retry={reload} />}
      {failure !== undefined && (
        <Notice tone="error" title="The model was not activated.">
          <p>{withFullStop(failure)} The previous model stays active.</p>
        </Notice>
      )}
      {notice !== null && <Notice tone="warning" title={notice} />}
      {models.length === 0 && (
        <p class="empty">
          This release has no model, so search results are in retrieval order. To add one, list it under{" "}
          <code>archon:models</code> in the stack’s configuration and run <code>pulumi up</code>.
        </p>
      )}
      {models.length > 0 && (
        <p class="summary">
          Models use {formatBytes(memory.used_bytes)} of the {formatBytes(memory.budget_bytes)} of memory that they may
          use.
        </p>
      )}
      <ul class="models">
        {models.map((model) => (
          <ModelEntry
            key={model.name}
            model={model}
            pending={pending}
            onActivate={() => {
              activate(model);
            }}
          />
        ))}
      </ul>
    </>
  );
}

interface ModelEntryProps {
  model: Model;
  /** Name of the model that is being activated. */
  pending: string | undefined;
  onActivate: () => void;
}

function ModelEntry({ model, pending, onActivate }: ModelEntryProps): JSX.Element {
  const { name, repo, revision, active, default: isDefault, state, error, present } = model;
  const loading = pending === name || state === "loading";
  return (
    <li class={`model ${active ? "active" : ""}`} aria-label={name}>
      <div class="model-head">
        <h2>
          {name} {active && <span class="badge">Active</span>}{" "}
          {isDefault && <span class="badge plain">Release default</span>}
        </h2>
        {!active && (
          <button
            type="button"
            disabled={pending !== undefined || !present}
            onClick={onActivate}
            aria-label={`Activate ${name}`}
          >
            {loading ? "Loading …" : "Activate"}
          </button>
        )}
      </div>
      <p class="muted mono">
        {repo}@{shortHash(revision)}
      </p>
      {loading && <progress aria-label={`Loading ${name}`} />}
      {error !== null && <p class="problem">{error}</p>}
      {!present && (
        <p class="problem">
          Its files are not in the store. Run <code>pulumi up</code> to download them.
        </p>
      )}
      <dl class="facts">
        <Fact name="State">{loading ? STATE_LABELS.loading : STATE_LABELS[state]}</Fact>
        <Fact name="On disk">{formatBytes(model.disk_bytes)}</Fact>
        <Fact name={state === "ready" ? "Memory" : "Memory (estimate)"}>{formatBytes(model.memory_bytes)}</Fact>
        <Fact name="Precision">{model.dtype ?? "–"}</Fact>
        <Fact name="Loaded in">{formatSeconds(model.load_seconds)}</Fact>
        <Fact name="Last used">
          {model.last_used === null ? "not since the server started" : formatDateTime(model.last_used)}
        </Fact>
      </dl>
    </li>
  );
}
