const KEY = "archon-token";

interface Asked {
  /** Whether a token was sent and not accepted, rather than none. */
  refused: boolean;
  give: (token: string) => void;
  dismiss: () => void;
}

type Listener = (asked: Asked | undefined) => void;

let listener: Listener | undefined;
let pending: Promise<void> | undefined;

export function storedToken(): string | null {
  return sessionStorage.getItem(KEY);
}

/** Who shows the question; called with undefined once it is answered. */
export function onTokenAsked(show: Listener): () => void {
  listener = show;
  return () => {
    listener = undefined;
  };
}

/**
 * Waits until there is another token than the refused one. However many requests are refused at a time, the person is asked once.
 * @returns false when the person does not give one.
 */
export async function anotherToken(refused: string | null): Promise<boolean> {
  if (storedToken() !== refused) {
    return true;
  }
  pending ??= new Promise<void>((resolve, reject) => {
    listener?.({
      refused: refused !== null,
      give: (token) => {
        sessionStorage.setItem(KEY, token);
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
