import { ApiError, errorFromResponse, UnreachableError } from "./errors";
import type { Health, KnowledgePage, MlHealth, ModelList, Progress, SearchReply } from "./shapes";
import { requestToken, storedToken } from "./token";

const TIMEOUT_SECONDS = 30;
/** For requests that wait for a model: a search may queue behind others, and a model takes time to load. */
const MODEL_TIMEOUT_SECONDS = 120;
const HEALTH_TIMEOUT_SECONDS = 5;

interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: object;
  timeoutSeconds?: number;
  signal?: AbortSignal;
}

interface RawResponse {
  status: number;
  body: string;
  retryAfter: string | null;
}

export interface SearchOptions {
  matchCount: number;
  /** Whether the model reranks the passages. If it is left out, the server's setting decides. */
  rerank?: boolean;
}

export const api = {
  search: (query: string, { matchCount, rerank }: SearchOptions, signal?: AbortSignal): Promise<SearchReply> =>
    requestJson("/api/rag/query", {
      method: "POST",
      body: { query, match_count: matchCount, ...(rerank === undefined ? {} : { rerank }) },
      timeoutSeconds: MODEL_TIMEOUT_SECONDS,
      ...(signal && { signal }),
    }),
  items: (page: number, search: string, signal: AbortSignal): Promise<KnowledgePage> => {
    const query = new URLSearchParams({ page: String(page), per_page: "20", ...(search === "" ? {} : { search }) });
    return requestJson(`/api/knowledge-items?${query}`, { signal });
  },
  deleteItem: (id: string): Promise<unknown> =>
    requestJson(`/api/knowledge-items/${encodeURIComponent(id)}`, { method: "DELETE" }),
  crawl: (url: string): Promise<{ progressId: string }> =>
    requestJson("/api/knowledge-items/crawl", { method: "POST", body: { url } }),
  progress: (id: string): Promise<Progress> => requestJson(`/api/progress/${encodeURIComponent(id)}`),
  settings: (signal: AbortSignal): Promise<{ credentials: Record<string, unknown> }> =>
    requestJson("/api/credentials/categories/rag_strategy", { signal }),
  saveSetting: (key: string, value: string): Promise<unknown> =>
    requestJson(`/api/credentials/${key}`, {
      method: "PUT",
      body: { value, is_encrypted: false, category: "rag_strategy" },
    }),
  models: (signal: AbortSignal): Promise<ModelList> => requestJson("/api/models", { signal }),
  activate: (name: string): Promise<unknown> =>
    requestJson("/api/models/activate", {
      method: "POST",
      body: { name },
      timeoutSeconds: MODEL_TIMEOUT_SECONDS,
    }),
  ml: (signal: AbortSignal): Promise<MlHealth> => requestJson("/health/ml", { signal }),
  metrics: async (signal: AbortSignal): Promise<string> => (await request("/metrics", { signal })).body,
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
async function upload(file: File, onProgress: (fraction: number) => void): Promise<{ progressId: string }> {
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

async function requestJson<T>(path: string, options: RequestOptions = {}): Promise<T> {
  return parseJson(await request(path, options));
}

async function request(path: string, options: RequestOptions): Promise<RawResponse> {
  return checkStatus(await withToken((token) => send(path, options, token)));
}

/** Sends with the stored token. While the server rejects it, asks the person for another, until they dismiss the prompt. */
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
  path: string,
  { method = "GET", body, timeoutSeconds = TIMEOUT_SECONDS, signal }: RequestOptions,
  token: string | null,
): Promise<RawResponse> {
  const headers = {
    ...(body && { "content-type": "application/json" }),
    ...(token !== null && { authorization: `Bearer ${token}` }),
  };
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  try {
    const response = await fetch(path, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
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
