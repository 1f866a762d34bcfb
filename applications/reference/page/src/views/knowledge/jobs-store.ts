import { useEffect, useState } from "preact/hooks";
import { api } from "../../api/client";
import { ApiError, UnreachableError } from "../../api/errors";
import { announce } from "../../components/announcer";
import { pluralise } from "../../format";
import { notesOf } from "../../job-notes";

/** Part of the progress bar that the upload takes, in percent; the rest is processing on the server. */
const UPLOAD_PERCENT = 40;
const POLL_INTERVAL_MS = 400;
/** How many polls in a row may find no server before the job counts as failed. */
const MAX_POLL_FAILURES = 75;

/** An upload or a crawl. */
export interface Job {
  id: number;
  title: string;
  state: "running" | "done" | "failed";
  /** 0 to 100. */
  percent: number;
  message: string;
  /** What to know about the result: what was left out, and what was guessed. */
  notes: readonly string[];
}

interface Jobs {
  jobs: readonly Job[];
  upload: (files: readonly File[]) => void;
  crawl: (url: string) => void;
  dismiss: (id: number) => void;
}

/** Kept outside the component, so that jobs survive a change of the view. */
let jobs: readonly Job[] = [];
const ignore = (): void => undefined;
let onChange = ignore;
let lastId = 0;

/**
 * Starts uploads and crawls and follows their progress.
 * @param onStored called whenever a job has succeeded.
 */
export function useJobs(onStored: () => void): Jobs {
  const [shown, setShown] = useState(jobs);
  useEffect(() => {
    onChange = () => {
      setShown(jobs);
    };
    // A job may have changed since this component was rendered.
    onChange();
    return () => {
      onChange = ignore;
    };
  }, []);
  return {
    jobs: shown,
    upload: (files) => {
      files.forEach((file) => void run(file.name, onStored, (onProgress) => api.upload(file, onProgress)));
    },
    crawl: (url) => void run(url, onStored, () => api.crawl(url)),
    dismiss: (id) => {
      setJobs(jobs.filter((job) => job.id !== id));
    },
  };
}

function setJobs(next: readonly Job[]): void {
  jobs = next;
  onChange();
}

async function run(
  title: string,
  onStored: () => void,
  start: (onProgress: (fraction: number) => void) => Promise<{ progressId: string }>,
): Promise<void> {
  const id = ++lastId;
  const update = (changes: Partial<Job>): void => {
    setJobs(jobs.map((job) => (job.id === id ? { ...job, ...changes } : job)));
  };
  setJobs([...jobs, { id, title, state: "running", percent: 0, message: "Sending", notes: [] }]);
  announce(`Adding ${title}`);
  try {
    const { progressId } = await start((fraction) => {
      update({ percent: Math.round(fraction * UPLOAD_PERCENT), message: fraction < 1 ? "Sending" : "Sent" });
    });
    const result = await waitUntilStored(progressId, (percent, message) => {
      update({ percent: Math.round(UPLOAD_PERCENT + (percent * (100 - UPLOAD_PERCENT)) / 100), message });
    });
    update({ state: "done", percent: 100, ...result });
    announce(`${title}: ${[result.message, ...result.notes].join(". ")}`);
    onStored();
  } catch (error) {
    update({ state: "failed", message: (error as Error).message });
    announce(`${title} was not added: ${(error as Error).message}`);
  }
}

/**
 * Polls a job of the server until it has ended.
 * @returns what has been stored, and what to know about it.
 */
async function waitUntilStored(
  progressId: string,
  onProgress: (percent: number, message: string) => void,
): Promise<Pick<Job, "message" | "notes">> {
  let failures = 0;
  for (;;) {
    try {
      const answer = await api.progress(progressId);
      const { status, progress, message, error, chunksStored } = answer;
      failures = 0;
      if (status === "completed") {
        const stored = typeof chunksStored === "number" ? `${pluralise(chunksStored, "passage")} stored` : message;
        return { message: stored, notes: notesOf(answer) };
      }
      if (status === "error" || status === "cancelled") {
        throw new ApiError(422, error ?? message);
      }
      onProgress(progress, message);
    } catch (error) {
      failures += 1;
      if (!(error instanceof UnreachableError) || failures > MAX_POLL_FAILURES) {
        throw error;
      }
      onProgress(0, "The server does not answer. Waiting for it.");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}
