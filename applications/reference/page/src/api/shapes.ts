/** The server's replies, as far as the page reads them. What a server may leave out is optional. */

export interface SearchRow {
  id: number;
  content: string;
  metadata: { filename?: string; source?: string; url?: string; headers?: string; chunk_index?: number };
  /** 0 to 1 within one search: how close retrieval found the passage. */
  similarity_score: number;
  /** 0 to 1; absent if no model judged the passage. */
  rerank_score?: number | null;
  /** Place in retrieval's own order, from 1. */
  retrieval_rank?: number;
}

export interface SearchReply {
  results: SearchRow[];
  search_mode?: string;
  /** Why a part of retrieval did not work. */
  search_error?: string | null;
  reranking_applied: boolean;
  /** Why no model judged the passages, if one should have. */
  reranking_error?: string | null;
  model?: string | null;
  timings?: { retrieval_ms: number; rerank_ms: number; total_ms: number };
}

export interface KnowledgeItem {
  source_id: string;
  title: string;
  url: string;
  source_type: string;
  metadata: { chunks_count?: number; word_count?: number; file_size?: number; file_type?: string | null };
  created_at: string;
}

export interface KnowledgePage {
  items: KnowledgeItem[];
  total: number;
  page: number;
  pages: number;
}

export interface Progress {
  status: string;
  /** Percent; it never goes back. */
  progress: number;
  message?: string;
  error?: string | null;
  chunksStored?: number;
}

export type ModelState = "absent" | "present" | "loading" | "ready" | "failed";

export interface Model {
  name: string;
  repo: string;
  revision: string;
  present: boolean;
  active: boolean;
  loaded: boolean;
  /** The release's own choice. */
  default?: boolean;
  state: ModelState;
  error?: string | null;
  disk_bytes?: number | null;
  /** What it takes in memory; an estimate while it is not loaded. */
  memory_bytes?: number | null;
  dtype?: string | null;
  load_seconds?: number | null;
  /** Time in ISO 8601. */
  last_used?: string | null;
}

export interface ModelList {
  models: Model[];
  /** Why the chosen model is not the one that serves. */
  notice?: string | null;
  /** The last change that was asked for. */
  switch?: { to: string; state: "loading" | "done" | "failed"; error?: string | null } | null;
  memory?: { budget_bytes: number | null; used_bytes: number };
}

export interface Health {
  status: string;
  ready: boolean;
  message?: string;
  release?: string;
  service_name?: string;
  reranking?: { status: string; model?: string | null; error?: string | null };
}

export interface MlHealth {
  status: string;
  error?: string | null;
  environment_key?: string;
  versions: Record<string, string | null>;
  model?: { name: string; repo: string; revision: string } | null;
  device?: string | null;
  dtype?: string | null;
  threads?: number | null;
  load_seconds?: number | null;
  known_answer?: { passed: boolean; questions: unknown[] };
}
