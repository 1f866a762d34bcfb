/** The server refused a request; the message is the server's own and written for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** No server answered: it is down, is being replaced, or the network is. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

/** Whether the same request may work a little later without anybody doing anything. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof Unreachable ||
    (error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500))
  );
}

interface ValidationProblem {
  loc?: unknown[];
  msg?: string;
}

/**
 * The words in a reply that is no success: FastAPI's `{"detail": …}` in its three forms, or words of our own for what a gateway
 * says. `retryAfter` is the header of that name.
 */
export function problemOf(status: number, text: string, retryAfter: string | null): Error {
  const said = detailOf(text);
  if (said === undefined && [502, 503, 504].includes(status)) {
    return new Unreachable();
  }
  const wait = status === 429 && retryAfter !== null ? ` Try again in ${retryAfter} s.` : "";
  return new ApiError(status, `${said ?? `The server answered with status ${status} and no reason.`}${wait}`);
}

function detailOf(text: string): string | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  const detail = (body as { detail?: unknown } | null)?.detail;
  if (typeof detail === "string") {
    return detail;
  }
  if (Array.isArray(detail)) {
    return (detail as ValidationProblem[])
      .map(({ loc, msg }) => `${(loc ?? []).slice(1).join(".")}: ${msg ?? "not allowed"}`)
      .join("; ");
  }
  const error = (detail as { error?: unknown } | null | undefined)?.error;
  return typeof error === "string" ? error : undefined;
}
