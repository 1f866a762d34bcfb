import { useCallback, useEffect, useState } from "preact/hooks";
import { isPassing } from "./api/errors";

/** How long after a failure the page tries again by itself. */
const RETRY_SECONDS = 3;

export interface Loaded<T> {
  /** The last good value; it stays while a later attempt fails. */
  value: T | undefined;
  error: Error | undefined;
  reload: () => void;
}

/**
 * Loads a value now, whenever `deps` change, and every so many seconds while the page is visible (0: never). A failure that may
 * pass is tried again until it does.
 */
export function useLoaded<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  every: number | ((value: T) => number) = 0,
): Loaded<T> {
  const [state, setState] = useState<{ value: T | undefined; error: Error | undefined }>({
    value: undefined,
    error: undefined,
  });
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => {
    setTurn((last) => last + 1);
  }, []);

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (seconds: number): void => {
      if (seconds > 0) {
        timer = setTimeout(() => void attempt(), seconds * 1000);
      }
    };
    const attempt = async (): Promise<void> => {
      if (document.hidden) {
        again(RETRY_SECONDS);
        return;
      }
      try {
        const value = await load(stop.signal);
        if (!stop.signal.aborted) {
          setState({ value, error: undefined });
          again(typeof every === "function" ? every(value) : every);
        }
      } catch (error) {
        if (!stop.signal.aborted) {
          setState((last) => ({ value: last.value, error: error as Error }));
          if (isPassing(error)) {
            again(RETRY_SECONDS);
          }
        }
      }
    };
    void attempt();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [...deps, turn]);

  return { ...state, reload };
}
