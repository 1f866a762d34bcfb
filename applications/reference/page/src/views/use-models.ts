import { useState } from "preact/hooks";
import { api } from "../api/client";
import type { Model, ModelList } from "../api/shapes";
import { useLoaded, type Loaded } from "../use-polling";
import { announce } from "../components/announce";

const POLL_SECONDS = 10;

interface Switching extends Loaded<ModelList> {
  /** The model that is on its way to be the active one. */
  pending: string | undefined;
  /** Why the last attempt came to nothing. */
  failure: string | undefined;
  activate: (model: Model) => void;
}

/** The models, followed closely while one is loaded, and the change of the active one. */
export function useModels(): Switching {
  const [asked, setAsked] = useState<string>();
  const [refusal, setRefusal] = useState<string>();
  const list = useLoaded(api.models, [], (value) => (isLoading(value) ? 0.5 : POLL_SECONDS));
  const change = list.value?.switch;
  const pending = asked ?? (change?.state === "loading" ? change.to : undefined);

  const activate = async (model: Model): Promise<void> => {
    setAsked(model.name);
    setRefusal(undefined);
    announce(`Loading ${model.name}`);
    try {
      await api.activate(model.name);
    } catch (error) {
      setRefusal((error as Error).message);
    }
    setAsked(undefined);
    list.reload();
  };

  return {
    ...list,
    pending,
    failure:
      refusal ??
      (change?.state === "failed"
        ? `${change.to} could not take over: ${change.error ?? "the server's log says why"}`
        : undefined),
    activate: (model) => void activate(model),
  };
}

function isLoading({ models, switch: change }: ModelList): boolean {
  return change?.state === "loading" || models.some(({ state }) => state === "loading");
}
