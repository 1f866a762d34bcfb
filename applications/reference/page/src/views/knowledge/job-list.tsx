import type { JSX } from "preact";
import type { Job } from "./jobs-store";

interface JobListProps {
  jobs: readonly Job[];
  onDismiss: (id: number) => void;
}

/** Running jobs with their progress, and finished ones with their result until the person dismisses them. */
export function JobList({ jobs, onDismiss }: JobListProps): JSX.Element | null {
  if (jobs.length === 0) {
    return null;
  }
  return (
    <section aria-labelledby="adding">
      <h2 id="adding">Adding</h2>
      <ul class="jobs">
        {jobs.map(({ id, title, state, percent, message, notes }) => (
          <li key={id} class={`job ${state}`}>
            <span class="job-title">{title}</span>
            <span class="job-message">{state === "failed" ? `Not added: ${message}` : message}</span>
            {notes.length > 0 && (
              <ul class="job-notes">
                {notes.map((note) => (
                  <li key={note}>{note}</li>
                ))}
              </ul>
            )}
            {state === "running" ? (
              <progress max={100} value={percent} aria-label={`Progress of ${title}`}>
                {percent} %
              </progress>
            ) : (
              <button
                type="button"
                class="link"
                onClick={() => {
                  onDismiss(id);
                }}
                aria-label={`Dismiss the message about ${title}`}
              >
                Dismiss
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
