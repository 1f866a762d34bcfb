import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../api/client";
import { bytes, sentence } from "../format";
import { useLoaded } from "../use-polling";
import { announce } from "../components/announce";
import { Loading, Switch } from "../components/controls";
import { Failure, Notice } from "../components/notice";
import { href } from "../route";
import { useModels } from "./use-models";

type Flag = "USE_RERANKING" | "USE_HYBRID_SEARCH";

const FLAGS: readonly { key: Flag; label: string; hint: string }[] = [
  {
    key: "USE_RERANKING",
    label: "Rerank what retrieval finds",
    hint: "The active model reads each passage beside the question. Off, searches are faster and stand in retrieval’s order.",
  },
  {
    key: "USE_HYBRID_SEARCH",
    label: "Search by words and by vectors",
    hint: "Takes effect where an endpoint for embeddings is configured; without one, words alone are searched.",
  },
];

export function Settings(): JSX.Element {
  const settings = useLoaded(api.settings, []);
  const [saving, setSaving] = useState<Partial<Record<Flag, boolean>>>({});
  const [failure, setFailure] = useState<Error>();

  const save = async (key: Flag, label: string, on: boolean): Promise<void> => {
    setSaving((last) => ({ ...last, [key]: on }));
    setFailure(undefined);
    try {
      await api.saveSetting(key, String(on));
      announce(`Saved: ${label} is ${on ? "on" : "off"}`);
    } catch (error) {
      setFailure(error as Error);
    }
    settings.reload();
    setSaving((last) => Object.fromEntries(Object.entries(last).filter(([each]) => each !== key)));
  };

  const credentials = settings.value?.credentials;
  return (
    <>
      <p class="lead">
        What is changed here holds at once, for everybody, and is kept over restarts and updates of the server.
      </p>
      {failure && <Failure what="The setting was not saved" error={failure} />}
      <section aria-labelledby="searching">
        <h2 id="searching">Searching</h2>
        {settings.error && (
          <Failure what="The settings could not be loaded" error={settings.error} retry={settings.reload} />
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
      <h2 id="model">Model that reranks</h2>
      {error && <Failure what="The models could not be loaded" error={error} retry={reload} />}
      {failure !== undefined && (
        <Notice tone="error" title="The model was not changed.">
          <p>{sentence(failure)} The one before serves on.</p>
        </Notice>
      )}
      {!value && !error && <Loading what="the models" />}
      {value && present.length === 0 && (
        <p class="empty">
          No model is present. <a href={href("models")}>Models</a> says what is missing.
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
            <span class="soft">
              {pending === model.name
                ? "loading; the one before serves until it is ready"
                : `${model.repo} · ${bytes(model.disk_bytes)}${model.default === true ? " · default of the release" : ""}`}
            </span>
          </label>
        ))}
      </fieldset>
    </section>
  );
}
