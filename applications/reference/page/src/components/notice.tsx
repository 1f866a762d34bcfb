import type { ComponentChildren, JSX } from "preact";
import { ApiError, UnreachableError } from "../api/errors";

interface NoticeProps {
  tone: "info" | "warning" | "error";
  title: string;
  children?: ComponentChildren;
}

/** Says what is wrong (the title) and what to do about it (the children). */
export function Notice({ tone, title, children }: NoticeProps): JSX.Element {
  return (
    <div class={`notice ${tone}`} role={tone === "error" ? "alert" : "status"}>
      <p class="notice-title">{title}</p>
      {children}
    </div>
  );
}

interface ErrorNoticeProps {
  /** What failed, as the start of a sentence. */
  what: string;
  error: Error;
  retry?: () => void;
}

/** An error of the API, with what to do about it. */
export function ErrorNotice({ what, error, retry }: ErrorNoticeProps): JSX.Element {
  return (
    <Notice tone="error" title={`${what}: ${error.message}`}>
      <p>{adviceFor(error)}</p>
      {retry && (
        <button type="button" class="secondary" onClick={retry}>
          {error instanceof ApiError && error.status === 401 ? "Enter the token" : "Try again"}
        </button>
      )}
    </Notice>
  );
}

function adviceFor(error: Error): string {
  if (error instanceof UnreachableError) {
    return "The page tries again until the server is back.";
  }
  const status = error instanceof ApiError ? error.status : undefined;
  if (status === 401) {
    return "An API token protects this server. To print it, run this where the server was deployed: pulumi stack output apiToken --show-secrets";
  }
  if (status === 404) {
    return "The server does not have it, or no longer has it. Reload the list to see what is stored.";
  }
  if (status === 0 || status === 429) {
    return "The server is busy. Wait a moment, then try again.";
  }
  if (status !== undefined && status >= 500) {
    return "The server's log has the details. Find the container with docker ps, then run docker logs.";
  }
  return "Correct the problem, then try again.";
}
