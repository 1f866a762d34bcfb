const STORAGE_KEY = "archon-token";

export interface TokenPrompt {
  /** Whether the server rejected a token; otherwise none was sent. */
  rejected: boolean;
  submit: (token: string) => void;
  dismiss: () => void;
}

type Listener = (prompt: TokenPrompt | undefined) => void;

let listener: Listener | undefined;
let pending: Promise<void> | undefined;

export function storedToken(): string | null {
  return sessionStorage.getItem(STORAGE_KEY);
}

/**
 * Sets the function that shows the prompt. It is called with undefined once the prompt is answered.
 * @returns a function that removes it.
 */
export function onTokenPrompt(show: Listener): () => void {
  listener = show;
  return () => {
    listener = undefined;
  };
}

/**
 * Waits until the stored token differs from the rejected one. However many requests fail at the same time, there is one
 * prompt.
 * @returns false if the person dismisses the prompt.
 */
export async function requestToken(rejected: string | null): Promise<boolean> {
  if (storedToken() !== rejected) {
    return true;
  }
  pending ??= new Promise<void>((resolve, reject) => {
    listener?.({
      rejected: rejected !== null,
      submit: (token) => {
        sessionStorage.setItem(STORAGE_KEY, token);
        resolve();
      },
      dismiss: () => {
        reject(new Error("dismissed"));
      },
    });
  }).finally(() => {
    pending = undefined;
    listener?.(undefined);
  });
  return pending.then(
    () => true,
    () => false,
  );
}
