import { useState } from "preact/hooks";
import { api } from "../api/client";
import type { Model, ModelList } from "../api/types";
import { announce } from "../components/announcer";
import { usePolling, type Polling } from "../use-polling";

const POLL_SECONDS = 10;
const LOADING_POLL_SECONDS = 0.5;

interface Models extends Polling<ModelList> {
  /** Name of the model that is being activated. */
  pending: string | undefined;
  /** Why the last activation failed. */
  failure: string | undefined;
  activate: (model: Model) => void;
}

/** The models of the server, and how to activate one. Polls faster while a model is loading. */
export function useModels(): Models {
  const [requested, setRequested] = useState<string>();
  const [requestError, setRequestError] = useState<string>();
  const list = usePolling(api.models, [], (value) => (isLoading(value) ? LOADING_POLL_SECONDS : POLL_SECONDS));
  const lastSwitch = list.value?.switch;

  const activate = async (model: Model): Promise<void> => {
    setRequested(model.name);
    setRequestError(undefined);
    announce(`Loading ${model.name}`);
    try {
      await api.activate(model.name);
    } catch (error) {
      setRequestError((error as Error).message);
    }
    setRequested(undefined);
    list.reload();
  };

  return {
    ...list,
    pending: requested ?? (lastSwitch?.state === "loading" ? lastSwitch.to : undefined),
    failure: requestError ?? switchError(lastSwitch),
    activate: (model) => void activate(model),
  };
}

function isLoading({ models, switch: lastSwitch }: ModelList): boolean {
  return lastSwitch?.state === "loading" || models.some(({ state }) => state === "loading");
}

function switchError(lastSwitch: ModelList["switch"] | undefined): string | undefined {
  return lastSwitch?.state === "failed"
    ? `${lastSwitch.to} could not be activated: ${lastSwitch.error ?? "see the server's log"}`
    : undefined;
}
