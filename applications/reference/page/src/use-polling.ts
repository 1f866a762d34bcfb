import { useCallback, useEffect, useState } from "preact/hooks";
import { isTransient } from "./api/errors";

/** How long after a transient failure the page tries again. */
const RETRY_SECONDS = 3;

export interface Polling<T> {
  /** The last value that was loaded; kept while later attempts fail. */
  value: T | undefined;
  error: Error | undefined;
  reload: () => void;
}

/**
 * Loads a value at once, whenever `deps` change, and then at an interval while the page is visible. Transient failures
 * are retried until they pass.
 * @param interval seconds between two loads, or a function that computes them from the value; 0 does not poll.
 */
export function usePolling<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  interval: number | ((value: T) => number) = 0,
): Polling<T> {
  const [state, setState] = useState<{ value: T | undefined; error: Error | undefined }>({
    value: undefined,
    error: undefined,
  });
  const [generation, setGeneration] = useState(0);
  const reload = useCallback(() => {
    setGeneration((last) => last + 1);
  }, []);

  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const schedule = (seconds: number): void => {
      if (seconds > 0) {
        timer = setTimeout(() => void attempt(), seconds * 1000);
      }
    };
    const attempt = async (): Promise<void> => {
      if (document.hidden) {
        schedule(RETRY_SECONDS);
        return;
      }
      try {
        const value = await load(controller.signal);
        if (!controller.signal.aborted) {
          setState({ value, error: undefined });
          schedule(typeof interval === "function" ? interval(value) : interval);
        }
      } catch (error) {
        if (!controller.signal.aborted) {
          setState((last) => ({ value: last.value, error: error as Error }));
          if (isTransient(error)) {
            schedule(RETRY_SECONDS);
          }
        }
      }
    };
    void attempt();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [...deps, generation]);

  return { ...state, reload };
}
