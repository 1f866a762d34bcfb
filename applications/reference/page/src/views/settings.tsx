import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../api/client";
import { announce } from "../components/announcer";
import { Loading, Switch } from "../components/controls";
import { ErrorNotice, Notice } from "../components/notice";
import { formatBytes, withFullStop } from "../format";
import { href } from "../route";
import { usePolling } from "../use-polling";
import { useModels } from "./use-models";

type Flag = "USE_RERANKING" | "USE_HYBRID_SEARCH";

const FLAGS: readonly { key: Flag; label: string; hint: string }[] = [
  {
    key: "USE_RERANKING",
    label: "Rerank search results",
    hint: "The active model compares each passage with the query. Without it, searches are faster and results are in retrieval order.",
  },
  {
    key: "USE_HYBRID_SEARCH",
    label: "Hybrid search (keywords and vectors)",
    hint: "Needs an embedding endpoint in the configuration. Without one, searches use keywords only.",
  },
];

export function Settings(): JSX.Element {
  const settings = usePolling(api.settings, []);
  const [saving, setSaving] = useState<Partial<Record<Flag, boolean>>>({});
  const [saveError, setSaveError] = useState<Error>();

  const save = async (key: Flag, label: string, on: boolean): Promise<void> => {
    setSaving((last) => ({ ...last, [key]: on }));
    setSaveError(undefined);
    try {
      await api.saveSetting(key, String(on));
      announce(`Saved: ${label} is ${on ? "on" : "off"}`);
    } catch (error) {
      setSaveError(error as Error);
    }
    settings.reload();
    setSaving((last) => Object.fromEntries(Object.entries(last).filter(([each]) => each !== key)));
  };

  const credentials = settings.value?.credentials;
  return (
    <>
      <p class="lead">
        Changes take effect immediately and for everybody. They survive restarts and updates of the server.
      </p>
      {saveError && <ErrorNotice what="The setting was not saved" error={saveError} />}
      <section aria-labelledby="searching">
        <h2 id="searching">Search</h2>
        {settings.error && (
          <ErrorNotice what="The settings could not be loaded" error={settings.error} retry={settings.reload} />
        )}
        {!credentials && !settings.error && <Loading what="the settings" />}
        {credentials &&
          FLAGS.map(({ key, label, hint }) => (
            <Switch
              key={key}
              label={label}
              hint={hint}
              checked={saving[key] ?? credentials[key] === "true"}
              disabled={saving[key] !== undefined}
              onChange={(on) => void save(key, label, on)}
            />
          ))}
      </section>
      <ModelChoice />
    </>
  );
}

function ModelChoice(): JSX.Element {
  const { value, error, reload, pending, failure, activate } = useModels();
  const present = value?.models.filter((model) => model.present) ?? [];
  return (
    <section aria-labelledby="model">
      <h2 id="model">Reranking model</h2>
      {error && <ErrorNotice what="The models could not be loaded" error={error} retry={reload} />}
      {failure !== undefined && (
        <Notice tone="error" title="The model was not activated.">
          <p>{withFullStop(failure)} The previous model stays active.</p>
        </Notice>
      )}
      {!value && !error && <Loading what="the models" />}
      {value && present.length === 0 && (
        <p class="empty">
          No model is available. See <a href={href("models")}>Models</a> for what is missing.
        </p>
      )}
      <fieldset class="choices" disabled={pending !== undefined} aria-labelledby="model">
        {present.map((model) => (
          <label key={model.name} class="radio">
            <input
              type="radio"
              name="model"
              value={model.name}
              checked={pending === undefined ? model.active : pending === model.name}
              onChange={() => {
                activate(model);
              }}
            />
            <span>{model.name}</span>
            <span class="muted">
              {pending === model.name
                ? "loading; the previous model stays active until this one is ready"
                : `${model.repo} · ${formatBytes(model.disk_bytes)}${model.default ? " · release default" : ""}`}
            </span>
          </label>
        ))}
      </fieldset>
    </section>
  );
}
