/** An error response from the server. The message comes from the server and is written for people. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 if the request timed out. */
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** No server answered: it is stopped or being replaced, or the network is down. */
export class UnreachableError extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

/** Whether the same request may succeed later without anybody changing anything. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof UnreachableError ||
    (error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500))
  );
}

interface ValidationProblem {
  loc?: unknown[];
  msg?: string;
}

/**
 * The error that an unsuccessful response stands for. FastAPI sends `{"detail": …}` in three forms; a response without
 * it from a gateway means that no server answered.
 * @param retryAfter value of the `Retry-After` header.
 */
export function errorFromResponse(status: number, body: string, retryAfter: string | null): Error {
  const detail = errorDetail(body);
  if (detail === undefined && [502, 503, 504].includes(status)) {
    return new UnreachableError();
  }
  const wait = status === 429 && retryAfter !== null ? ` Try again in ${retryAfter} s.` : "";
  return new ApiError(status, `${detail ?? `The server answered with status ${status} and no reason.`}${wait}`);
}

function errorDetail(text: string): string | undefined {
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
