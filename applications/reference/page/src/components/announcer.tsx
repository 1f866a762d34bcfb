import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

let setAnnouncement: (text: string) => void = () => undefined;

/** Makes screen readers read a message without moving the focus. */
export function announce(text: string): void {
  setAnnouncement(text);
}

/** The live region that {@link announce} writes to. The page has exactly one. */
export function Announcer(): JSX.Element {
  const [text, setText] = useState("");
  useEffect(() => {
    setAnnouncement = setText;
  }, []);
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {text}
    </p>
  );
}
