import { ApiError, problemOf, Unreachable } from "./errors";
import type { Health, KnowledgePage, MlHealth, ModelList, Progress, SearchReply } from "./shapes";
import { anotherToken, storedToken } from "./token";

const SECONDS = 30;
/** A search may wait for the model, in a queue of others. */
const SEARCH_SECONDS = 120;

interface Options {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: object;
  seconds?: number;
  signal?: AbortSignal;
}

interface Answer {
  status: number;
  text: string;
  retryAfter: string | null;
}

export interface SearchOptions {
  matchCount: number;
  /** Whether a model judges the passages; left out, the server's setting decides. */
  rerank?: boolean;
}

export const api = {
  search: (query: string, { matchCount, rerank }: SearchOptions, signal?: AbortSignal): Promise<SearchReply> =>
    json("/api/rag/query", {
      method: "POST",
      body: { query, match_count: matchCount, ...(rerank === undefined ? {} : { rerank }) },
      seconds: SEARCH_SECONDS,
      ...(signal && { signal }),
    }),
  items: (page: number, search: string, signal: AbortSignal): Promise<KnowledgePage> =>
    json(
      `/api/knowledge-items?${new URLSearchParams({ page: String(page), per_page: "20", ...(search === "" ? {} : { search }) })}`,
      { signal },
    ),
  deleteItem: (id: string): Promise<unknown> =>
    json(`/api/knowledge-items/${encodeURIComponent(id)}`, { method: "DELETE" }),
  crawl: (url: string): Promise<{ progressId: string }> =>
    json("/api/knowledge-items/crawl", { method: "POST", body: { url } }),
  progress: (id: string): Promise<Progress> => json(`/api/progress/${encodeURIComponent(id)}`),
  settings: (signal: AbortSignal): Promise<{ credentials: Record<string, unknown> }> =>
    json("/api/credentials/categories/rag_strategy", { signal }),
  saveSetting: (key: string, value: string): Promise<unknown> =>
    json(`/api/credentials/${key}`, { method: "PUT", body: { value, is_encrypted: false, category: "rag_strategy" } }),
  models: (signal: AbortSignal): Promise<ModelList> => json("/api/models", { signal }),
  activate: (name: string): Promise<unknown> =>
    json("/api/models/activate", { method: "POST", body: { name }, seconds: SEARCH_SECONDS }),
  ml: (signal: AbortSignal): Promise<MlHealth> => json("/health/ml", { signal }),
  metrics: async (signal: AbortSignal): Promise<string> => (await request("/metrics", { signal })).text,
  health,
  upload,
};

/** The server's health, which it tells with status 503 too; never asks for a token. */
async function health(signal: AbortSignal): Promise<Health> {
  const { status, text, retryAfter } = await send("/health", { signal, seconds: 5 }, null);
  try {
    return JSON.parse(text) as Health;
  } catch {
    throw problemOf(status, text, retryAfter);
  }
}

/** Sends a file, telling the share that has left (0 to 1). By XMLHttpRequest, as fetch does not tell. */
async function upload(file: File, onSent: (share: number) => void): Promise<{ progressId: string }> {
  const form = new FormData();
  form.set("file", file);
  const answer = await withToken(
    (token) =>
      new Promise<Answer>((resolve, reject) => {
        const xhr = new XMLHttpRequest();
        xhr.upload.onprogress = (event) => {
          onSent(event.total > 0 ? event.loaded / event.total : 0);
        };
        xhr.onload = () => {
          resolve({ status: xhr.status, text: xhr.responseText, retryAfter: xhr.getResponseHeader("retry-after") });
        };
        xhr.onerror = () => {
          reject(new Unreachable());
        };
        xhr.open("POST", "/api/documents/upload");
        if (token !== null) {
          xhr.setRequestHeader("authorization", `Bearer ${token}`);
        }
        xhr.send(form);
      }),
  );
  return parsed(answer);
}

async function json<T>(path: string, options: Options = {}): Promise<T> {
  return parsed(await request(path, options));
}

async function request(path: string, options: Options): Promise<Answer> {
  const answer = await withToken((token) => send(path, options, token));
  if (answer.status >= 400) {
    throw problemOf(answer.status, answer.text, answer.retryAfter);
  }
  return answer;
}

/** Sends with the token there is, and again with each that the person gives, until one is accepted or none is given. */
async function withToken(sendWith: (token: string | null) => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const token = storedToken();
    const answer = await sendWith(token);
    if (answer.status !== 401 || !(await anotherToken(token))) {
      return answer;
    }
  }
}

async function send(
  path: string,
  { method = "GET", body, seconds = SECONDS, signal }: Options,
  token: string | null,
): Promise<Answer> {
  const headers = {
    ...(body && { "content-type": "application/json" }),
    ...(token !== null && { authorization: `Bearer ${token}` }),
  };
  const limit = AbortSignal.timeout(seconds * 1000);
  try {
    const response = await fetch(path, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    return { status: response.status, text: await response.text(), retryAfter: response.headers.get("retry-after") };
  } catch (error) {
    signal?.throwIfAborted();
    throw limit.aborted
      ? new ApiError(0, `The server took longer than ${seconds} s to answer.`)
      : error instanceof TypeError
        ? new Unreachable()
        : error;
  }
}

function parsed<T>({ status, text, retryAfter }: Answer): T {
  if (status >= 400) {
    throw problemOf(status, text, retryAfter);
  }
  return JSON.parse(text) as T;
}
