import type { JSX } from "preact";
import type { Job } from "./jobs-store";

/** What is being added, and what came of it until the reader puts it away. */
export function Jobs({ jobs, onForget }: { jobs: readonly Job[]; onForget: (id: number) => void }): JSX.Element | null {
  if (jobs.length === 0) {
    return null;
  }
  return (
    <section aria-labelledby="adding">
      <h2 id="adding">Adding</h2>
      <ul class="jobs">
        {jobs.map(({ id, title, state, percent, message }) => (
          <li key={id} class={`job ${state}`}>
            <span class="job-title">{title}</span>
            <span class="job-message">{state === "failed" ? `Not added: ${message}` : message}</span>
            {state === "running" ? (
              <progress max={100} value={percent} aria-label={`Progress of ${title}`}>
                {percent} %
              </progress>
            ) : (
              <button
                type="button"
                class="link"
                onClick={() => {
                  onForget(id);
                }}
                aria-label={`Put away the message on ${title}`}
              >
                Put away
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
