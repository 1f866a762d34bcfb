import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { ApiError, Unreachable } from "../../api/errors";
import { count } from "../../format";
import { announce } from "../../components/announce";

/** Share of the bar, in percent, that sending a file takes; the rest is the server's work. */
const SENDING = 40;
const POLL_MILLISECONDS = 400;
/** How often in a row the server may fail to answer before the page stops asking. */
const PATIENCE = 75;

/** Something on its way into the knowledge. */
export interface Job {
  id: number;
  title: string;
  state: "running" | "done" | "failed";
  /** 0 to 100. */
  percent: number;
  message: string;
}

interface Jobs {
  jobs: readonly Job[];
  upload: (files: readonly File[]) => void;
  crawl: (url: string) => void;
  forget: (id: number) => void;
}

/** Outlives the view, so that leaving it loses sight of nothing. */
let jobs: readonly Job[] = [];
let changed: () => void = () => undefined;
let lastId = 0;

/** Uploads and crawls, with how far each is. `onStored` is called when one has ended well. */
export function useJobs(onStored: () => void): Jobs {
  const [, redraw] = useState(0);
  changed = () => {
    redraw((turn) => turn + 1);
  };
  return {
    jobs,
    upload: (files) => {
      files.forEach((file) => void run(file.name, onStored, (onSent) => api.upload(file, onSent)));
    },
    crawl: (url) => void run(url, onStored, () => api.crawl(url)),
    forget: (id) => {
      set(jobs.filter((job) => job.id !== id));
    },
  };
}

function set(next: readonly Job[]): void {
  jobs = next;
  changed();
}

async function run(
  title: string,
  onStored: () => void,
  begin: (onSent: (share: number) => void) => Promise<{ progressId: string }>,
): Promise<void> {
  const id = ++lastId;
  const update = (changes: Partial<Job>): void => {
    set(jobs.map((job) => (job.id === id ? { ...job, ...changes } : job)));
  };
  set([...jobs, { id, title, state: "running", percent: 0, message: "Sending" }]);
  announce(`Adding ${title}`);
  try {
    const { progressId } = await begin((share) => {
      update({ percent: Math.round(share * SENDING), message: share < 1 ? "Sending" : "Sent" });
    });
    const stored = await follow(progressId, (percent, message) => {
      update({ percent: Math.round(SENDING + (percent * (100 - SENDING)) / 100), message });
    });
    update({ state: "done", percent: 100, message: stored });
    announce(`${title}: ${stored}`);
    onStored();
  } catch (error) {
    update({ state: "failed", message: (error as Error).message });
    announce(`${title} was not added: ${(error as Error).message}`);
  }
}

/** Asks how far an operation is until it ends. @returns what has been stored, in words. */
async function follow(progressId: string, onProgress: (percent: number, message: string) => void): Promise<string> {
  for (let failures = 0; ;) {
    try {
      const { status, progress, message, error, chunksStored } = await api.progress(progressId);
      failures = 0;
      if (status === "completed") {
        return chunksStored === undefined ? (message ?? "Stored") : `${count(chunksStored, "passage")} stored`;
      }
      if (["error", "failed", "cancelled", "stopped"].includes(status)) {
        throw new ApiError(422, error ?? message ?? `The server ended it: ${status}`);
      }
      onProgress(progress, message ?? status);
    } catch (error) {
      failures += 1;
      if (!(error instanceof Unreachable) || failures > PATIENCE) {
        throw error;
      }
      onProgress(0, "The server does not answer; waiting for it");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}
