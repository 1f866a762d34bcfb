import { UserError } from "../../lib/errors";
import type { Fetch } from "../lib/gateway-fetch";
import { interruption, sleep } from "../lib/signals";
import type { Progress } from "../lib/progress";

export interface SearchResult {
  content: string;
  similarity_score: number;
  /** Absent where no model has scored this passage. */
  rerank_score?: number | null;
}

export interface SearchReply {
  results: SearchResult[];
  reranking_applied: boolean;
  /** Seconds between the request and the whole answer, as seen from here. */
  seconds: number;
}

export interface Document {
  filename: string;
  content: string;
  /** Tag that distinguishes this content from other content under the same file name. */
  contentTag: string;
}

interface KnowledgeItem {
  source_id: string;
  metadata?: { file_name?: string | null; tags?: string[] | null };
}

interface UploadProgress {
  status: string;
  progress?: number;
  message?: string;
  error?: string;
}

const requestSeconds = 30;
const uploadSeconds = 300;
const healthySeconds = 60;
const pollMilliseconds = 250;

/** How to find out why the server answers something unexpected. */
const whereToLook =
  "`docker ps --filter label=io.archon.component=server` names its container, `docker logs NAME` shows its log.";

/** The server refused a request. */
class RequestError extends UserError {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** The part of the server's API that `./archon start` uses. */
export class ArchonClient {
  constructor(
    private readonly url: string,
    private readonly apiToken: string | undefined,
    private readonly fetch: Fetch = globalThis.fetch,
  ) {}

  /** Waits until the gateway has seen that the server is healthy; for a new server that takes a moment. */
  async waitUntilHealthy(): Promise<void> {
    const deadline = Date.now() + healthySeconds * 1000;
    for (;;) {
      const state = await this.#send("GET", "/health").then(
        async (response) => (response.ok ? "healthy" : `answers ${response.status}: ${await response.text()}`),
        (error: unknown) => {
          interruption.throwIfAborted();
          return `does not answer: ${reasonOf(error)}`;
        },
      );
      if (state === "healthy") {
        return;
      }
      if (Date.now() > deadline) {
        throw new UserError(`${this.url}/health still ${state} after ${healthySeconds} s. ${whereToLook}`);
      }
      await sleep(pollMilliseconds);
    }
  }

  /** Makes sure that the server has `document` exactly once. Returns whether it had to be uploaded. */
  async ensureDocument(document: Document, progress: Progress): Promise<boolean> {
    const { known, others } = await this.#find(document);
    for (const { source_id } of others) {
      await this.#json("DELETE", `/api/knowledge-items/${encodeURIComponent(source_id)}`);
    }
    if (known === undefined) {
      await this.#upload(document, progress);
    }
    return known === undefined;
  }

  async search(query: string, matchCount: number): Promise<SearchReply> {
    const start = performance.now();
    const reply = await this.#json<Omit<SearchReply, "seconds">>("POST", "/api/rag/query", {
      body: JSON.stringify({ query, match_count: matchCount }),
      headers: { "content-type": "application/json" },
    });
    return { ...reply, seconds: (performance.now() - start) / 1000 };
  }

  /** The item with this content, and the other items under the same file name: other versions and duplicates. */
  async #find(document: Document): Promise<{ known: KnowledgeItem | undefined; others: KnowledgeItem[] }> {
    const { items } = await this.#json<{ items: KnowledgeItem[] }>("GET", "/api/knowledge-items?page=1&per_page=100");
    const same = items.filter((item) => item.metadata?.file_name === document.filename);
    const known = same.find((item) => item.metadata?.tags?.includes(document.contentTag));
    return { known, others: same.filter((item) => item !== known) };
  }

  /** How far an upload is. Only the replica that took it knows: if another one answers, looks for the document itself. */
  async #progressOf(id: string, document: Document): Promise<UploadProgress> {
    try {
      return await this.#json<UploadProgress>("GET", `/api/progress/${encodeURIComponent(id)}`);
    } catch (error) {
      if (!(error instanceof RequestError) || error.status !== 404) {
        throw error;
      }
      return (await this.#find(document)).known === undefined
        ? { status: "unknown" }
        : { status: "completed", progress: 100 };
    }
  }

  async #upload(document: Document, progress: Progress): Promise<void> {
    const form = new FormData();
    form.set("file", new Blob([document.content], { type: "text/markdown" }), document.filename);
    form.set("tags", JSON.stringify([document.contentTag]));
    form.set("knowledge_type", "technical");
    const { progressId } = await this.#json<{ progressId: string }>("POST", "/api/documents/upload", { body: form });

    const deadline = Date.now() + uploadSeconds * 1000;
    for (;;) {
      const state = await this.#progressOf(progressId, document);
      progress.update(state.progress ?? 0, 100, state.message ?? state.status);
      if (state.status === "completed") {
        return;
      }
      if (["error", "failed", "cancelled", "stopped"].includes(state.status)) {
        throw new UserError(
          `The server could not take ${document.filename}: ${state.error ?? state.message ?? state.status}. ${whereToLook}`,
        );
      }
      if (Date.now() > deadline) {
        throw new UserError(
          `The server has not finished ${document.filename} after ${uploadSeconds} s; it says "${state.message ?? state.status}". ${whereToLook}`,
        );
      }
      await sleep(pollMilliseconds);
    }
  }

  async #json<T>(method: string, path: string, init: Pick<RequestInit, "body" | "headers"> = {}): Promise<T> {
    let response: Response;
    try {
      response = await this.#send(method, path, init);
    } catch (error) {
      interruption.throwIfAborted();
      throw new UserError(`${method} ${this.url}${path}: no answer: ${reasonOf(error)}. ${whereToLook}`);
    }
    const text = await response.text();
    if (!response.ok) {
      throw new RequestError(
        `${method} ${this.url}${path}: the server answered ${response.status}: ${detailOf(text)}. ${whereToLook}`,
        response.status,
      );
    }
    return JSON.parse(text) as T;
  }

  #send(method: string, path: string, init: Pick<RequestInit, "body" | "headers"> = {}): Promise<Response> {
    const authorization = this.apiToken === undefined ? {} : { authorization: `Bearer ${this.apiToken}` };
    return this.fetch(this.url + path, {
      ...init,
      method,
      headers: { ...init.headers, ...authorization },
      signal: AbortSignal.any([interruption, AbortSignal.timeout(requestSeconds * 1000)]),
    });
  }
}

/** The reason of a failed request: `fetch` says only "fetch failed" and has the reason as the cause of the error. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

/** The message in FastAPI's `{"detail": …}`, or the text as it is. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: string | { error?: string } };
    if (typeof detail === "string") {
      return detail;
    }
    return typeof detail?.error === "string" ? detail.error : text;
  } catch {
    return text;
  }
}
