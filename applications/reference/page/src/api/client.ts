import { ApiError, errorFromResponse, UnreachableError } from "./errors";
import { requestToken, storedToken } from "./token";
import type { Health, Input, Method, Operation, Reply, Route } from "./types";

const TIMEOUT_SECONDS = 30;
/** For requests that wait for a model: a search may queue behind others, and a model takes time to load. */
const MODEL_TIMEOUT_SECONDS = 120;
const HEALTH_TIMEOUT_SECONDS = 5;
const ITEMS_PER_PAGE = 20;
/** The category of the server's settings that the page shows and changes. */
const SETTINGS_CATEGORY = "rag_strategy";

interface RequestOptions {
  timeoutSeconds?: number;
  signal?: AbortSignal;
}

interface RawRequest extends RequestOptions {
  method?: Method;
  body?: unknown;
}

interface RawResponse {
  status: number;
  body: string;
  retryAfter: string | null;
}

type Parameters = Record<string, string | number | boolean>;
type UploadReply = Reply<Operation<"/api/documents/upload", "post">>;

export interface SearchOptions {
  matchCount: number;
  /** Whether the model reranks the passages. If it is left out, the server's setting decides. */
  rerank?: boolean;
}

export const api = {
  search: (query: string, { matchCount, rerank }: SearchOptions, signal: AbortSignal) =>
    request(
      "post",
      "/api/rag/query",
      { body: { query, match_count: matchCount, ...(rerank === undefined ? {} : { rerank }) } },
      { timeoutSeconds: MODEL_TIMEOUT_SECONDS, signal },
    ),
  items: (page: number, search: string, signal: AbortSignal) =>
    request(
      "get",
      "/api/knowledge-items",
      { query: { page, per_page: ITEMS_PER_PAGE, ...(search === "" ? {} : { search }) } },
      { signal },
    ),
  deleteItem: (id: string) => request("delete", "/api/knowledge-items/{source_id}", { path: { source_id: id } }),
  crawl: (url: string) => request("post", "/api/knowledge-items/crawl", { body: { url } }),
  progress: (id: string) => request("get", "/api/progress/{progress_id}", { path: { progress_id: id } }),
  settings: (signal: AbortSignal) =>
    request("get", "/api/credentials/categories/{category}", { path: { category: SETTINGS_CATEGORY } }, { signal }),
  saveSetting: (key: string, value: string) =>
    request("put", "/api/credentials/{key}", {
      path: { key },
      body: { value, is_encrypted: false, category: SETTINGS_CATEGORY },
    }),
  models: (signal: AbortSignal) => request("get", "/api/models", {}, { signal }),
  activate: (name: string) =>
    request("post", "/api/models/activate", { body: { name } }, { timeoutSeconds: MODEL_TIMEOUT_SECONDS }),
  ml: (signal: AbortSignal) => request("get", "/health/ml", {}, { signal }),
  metrics: async (signal: AbortSignal) => (await authorised("/metrics", { signal })).body,
  health,
  upload,
};

/** The server's health. The server sends it with status 503 too, and never asks for a token. */
async function health(signal: AbortSignal): Promise<Health> {
  const { status, body, retryAfter } = await send("/health", { signal, timeoutSeconds: HEALTH_TIMEOUT_SECONDS }, null);
  try {
    return JSON.parse(body) as Health;
  } catch {
    throw errorFromResponse(status, body, retryAfter);
  }
}

/**
 * Uploads a file with XMLHttpRequest, since fetch does not report upload progress.
 * @param onProgress called with the fraction that has been sent, 0 to 1.
 */
async function upload(file: File, onProgress: (fraction: number) => void): Promise<UploadReply> {
  const form = new FormData();
  form.set("file", file);
  const response = await withToken(
    (token) =>
      new Promise<RawResponse>((resolve, reject) => {
        const xhr = new XMLHttpRequest();
        xhr.upload.onprogress = (event) => {
          onProgress(event.total > 0 ? event.loaded / event.total : 0);
        };
        xhr.onload = () => {
          resolve({ status: xhr.status, body: xhr.responseText, retryAfter: xhr.getResponseHeader("retry-after") });
        };
        xhr.onerror = () => {
          reject(new UnreachableError());
        };
        xhr.open("POST", "/api/documents/upload");
        if (token !== null) {
          xhr.setRequestHeader("authorization", `Bearer ${token}`);
        }
        xhr.send(form);
      }),
  );
  return parseJson(checkStatus(response));
}

/** Sends a request to a route of the server's OpenAPI document, which gives the types of input and reply. */
async function request<M extends Method, R extends Route>(
  method: M,
  route: R,
  input: Input<Operation<R, M>>,
  options: RequestOptions = {},
): Promise<Reply<Operation<R, M>>> {
  const { path = {}, query, body } = input as { path?: Parameters; query?: Parameters; body?: unknown };
  const pathname = route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name])));
  const search =
    query === undefined
      ? ""
      : `?${new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))}`;
  return parseJson(await authorised(pathname + search, { ...options, method, body }));
}

async function authorised(url: string, options: RawRequest): Promise<RawResponse> {
  return checkStatus(await withToken((token) => send(url, options, token)));
}

/**
 * Sends with the stored token. While the server rejects it, asks the person for another, until they dismiss the prompt.
 */
async function withToken(sendWith: (token: string | null) => Promise<RawResponse>): Promise<RawResponse> {
  for (;;) {
    const token = storedToken();
    const response = await sendWith(token);
    if (response.status !== 401 || !(await requestToken(token))) {
      return response;
    }
  }
}

async function send(
  url: string,
  { method = "get", body, timeoutSeconds = TIMEOUT_SECONDS, signal }: RawRequest,
  token: string | null,
): Promise<RawResponse> {
  const headers = {
    ...(body !== undefined && { "content-type": "application/json" }),
    ...(token !== null && { authorization: `Bearer ${token}` }),
  };
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  try {
    const response = await fetch(url, {
      method: method.toUpperCase(),
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    return { status: response.status, body: await response.text(), retryAfter: response.headers.get("retry-after") };
  } catch (error) {
    signal?.throwIfAborted();
    if (timeout.aborted) {
      throw new ApiError(0, `The server did not answer within ${timeoutSeconds} s.`);
    }
    // fetch reports every network failure as a TypeError.
    throw error instanceof TypeError ? new UnreachableError() : error;
  }
}

function checkStatus(response: RawResponse): RawResponse {
  if (response.status >= 400) {
    throw errorFromResponse(response.status, response.body, response.retryAfter);
  }
  return response;
}

function parseJson<T>({ body }: RawResponse): T {
  return JSON.parse(body) as T;
}
