import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";

/** Takes the address of a page to fetch. */
export function Crawl({ onUrl }: { onUrl: (url: string) => void }): JSX.Element {
  const [url, setUrl] = useState("");
  const id = useId();
  return (
    <form
      class="crawl"
      onSubmit={(event) => {
        event.preventDefault();
        onUrl(url.trim());
        setUrl("");
      }}
    >
      <label for={id}>Or fetch a page of the web</label>
      <div class="ask-line">
        <input
          id={id}
          type="url"
          inputMode="url"
          placeholder="https://"
          required
          pattern="https?://.+"
          title="An address that starts with http:// or https://"
          value={url}
          onInput={(event) => {
            setUrl(event.currentTarget.value);
          }}
        />
        <button type="submit" class="quiet">
          Fetch
        </button>
      </div>
      <p class="hint">The server fetches it. Addresses inside its own network are refused.</p>
    </form>
  );
}
