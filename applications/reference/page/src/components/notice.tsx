import type { ComponentChildren, JSX } from "preact";
import { ApiError, Unreachable } from "../api/errors";

interface NoticeProps {
  tone: "info" | "warning" | "error";
  title: string;
  children?: ComponentChildren;
}

/** A sentence on what is the matter, and below it what to do. */
export function Notice({ tone, title, children }: NoticeProps): JSX.Element {
  return (
    <div class={`notice ${tone}`} role={tone === "error" ? "alert" : "status"}>
      <p class="notice-title">{title}</p>
      {children}
    </div>
  );
}

interface FailureProps {
  /** What did not work, as the start of a sentence. */
  what: string;
  error: Error;
  retry?: () => void;
}

/** An error of the API, with what to do about it. */
export function Failure({ what, error, retry }: FailureProps): JSX.Element {
  return (
    <Notice tone="error" title={`${what}: ${error.message}`}>
      <p>{adviceFor(error)}</p>
      {retry && (
        <button type="button" class="quiet" onClick={retry}>
          {error instanceof ApiError && error.status === 401 ? "Enter the token" : "Try again"}
        </button>
      )}
    </Notice>
  );
}

function adviceFor(error: Error): string {
  if (error instanceof Unreachable) {
    return "This goes on by itself when the server is back.";
  }
  if (error instanceof ApiError) {
    switch (true) {
      case error.status === 401:
        return "This server is protected by an API token. Whoever deployed it can print it: pulumi stack output apiToken --show-secrets";
      case error.status === 404:
        return "This server does not have it, or no longer. Loading the list anew shows what there is.";
      case error.status === 0 || error.status === 429:
        return "The server is busy. Wait a moment, then try again.";
      case error.status >= 500:
        return "The server's log says more: docker logs, for the container that docker ps shows.";
    }
  }
  return "Correct it and try again.";
}
