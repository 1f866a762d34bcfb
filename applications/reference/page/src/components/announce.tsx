import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

let speak: (text: string) => void = () => undefined;

/** Tells a screen reader what has happened elsewhere than at the focus. */
export function announce(text: string): void {
  speak(text);
}

/** The live region that {@link announce} writes to; there is one. */
export function Announcer(): JSX.Element {
  const [text, setText] = useState("");
  useEffect(() => {
    speak = setText;
  }, []);
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {text}
    </p>
  );
}
