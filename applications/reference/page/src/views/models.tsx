import type { JSX } from "preact";
import type { Model, ModelState } from "../api/shapes";
import { bytes, seconds, sentence, short, when } from "../format";
import { Fact, Loading } from "../components/controls";
import { Failure, Notice } from "../components/notice";
import { useModels } from "./use-models";

const WORDS: Readonly<Record<ModelState, string>> = {
  absent: "not present",
  present: "present, not loaded",
  loading: "loading",
  ready: "loaded and proven",
  failed: "does not work",
};

export function Models(): JSX.Element {
  const { value, error, reload, pending, failure, activate } = useModels();
  if (!value) {
    return error ? (
      <Failure what="The models could not be loaded" error={error} retry={reload} />
    ) : (
      <Loading what="the models" />
    );
  }
  const { models, memory, notice } = value;
  return (
    <>
      {error && <Failure what="The models could not be loaded anew" error={error} retry={reload} />}
      {failure !== undefined && (
        <Notice tone="error" title="The model was not changed.">
          <p>{sentence(failure)} The one before serves on.</p>
        </Notice>
      )}
      {typeof notice === "string" && <Notice tone="warning" title={notice} />}
      {models.length === 0 && (
        <p class="empty">
          This release has no model, so searches are answered in retrieval’s order. Models are listed in the stack’s
          configuration, <code>archon:models</code>, and come with the next <code>pulumi up</code>.
        </p>
      )}
      {memory && models.length > 0 && (
        <p class="summary">
          {bytes(memory.used_bytes)} of memory in use
          {typeof memory.budget_bytes === "number" ? ` of ${bytes(memory.budget_bytes)} that models may take` : ""}
        </p>
      )}
      <ul class="models">
        {models.map((model) => (
          <Entry
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

function Entry({
  model,
  pending,
  onActivate,
}: {
  model: Model;
  pending: string | undefined;
  onActivate: () => void;
}): JSX.Element {
  const { name, repo, revision, active, default: standard, state, error, present } = model;
  const loading = pending === name || state === "loading";
  return (
    <li class={`model ${active ? "active" : ""}`} aria-label={name}>
      <div class="model-head">
        <h2>
          {name} {active && <span class="badge">Active</span>}{" "}
          {standard === true && <span class="badge plain">Default of the release</span>}
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
      <p class="soft mono">
        {repo}@{short(revision)}
      </p>
      {loading && <progress aria-label={`Loading ${name}`} />}
      {typeof error === "string" && <p class="problem">{error}</p>}
      {!present && (
        <p class="problem">
          Its files are not in the store. The next <code>pulumi up</code> fetches them.
        </p>
      )}
      <dl class="facts">
        <Fact name="State">{loading ? WORDS.loading : WORDS[state]}</Fact>
        <Fact name="On disk">{bytes(model.disk_bytes)}</Fact>
        <Fact name={state === "ready" ? "Memory" : "Memory (estimate)"}>{bytes(model.memory_bytes)}</Fact>
        <Fact name="Precision">{model.dtype ?? "–"}</Fact>
        <Fact name="Loaded in">{seconds(model.load_seconds)}</Fact>
        <Fact name="Last used">
          {typeof model.last_used === "string" ? when(model.last_used) : "not since the start"}
        </Fact>
      </dl>
    </li>
  );
}
