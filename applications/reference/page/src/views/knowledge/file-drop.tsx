import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

/** Accepts files by drag and drop or from the browser's file picker. */
export function FileDrop({ onFiles }: { onFiles: (files: readonly File[]) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [dragging, setDragging] = useState(false);
  return (
    <div
      class={`file-drop ${dragging ? "dragging" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setDragging(true);
      }}
      onDragLeave={() => {
        setDragging(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setDragging(false);
        onFiles([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      <p class="file-drop-title">Drop files here</p>
      <p class="muted">
        PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, e-mail, HTML, Markdown, plain text or source code
      </p>
      <button type="button" class="secondary" onClick={() => input.current?.click()}>
        Choose files
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to add"
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </div>
  );
}
