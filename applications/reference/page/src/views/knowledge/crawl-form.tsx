import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";

/** Accepts the URL of a web page to fetch. */
export function CrawlForm({ onUrl }: { onUrl: (url: string) => void }): JSX.Element {
  const [url, setUrl] = useState("");
  const id = useId();
  return (
    <form
      class="crawl-form"
      onSubmit={(event) => {
        event.preventDefault();
        onUrl(url.trim());
        setUrl("");
      }}
    >
      <label for={id}>Or add a web page</label>
      <div class="input-row">
        <input
          id={id}
          type="url"
          inputMode="url"
          placeholder="https://"
          required
          pattern="https?://.+"
          title="A URL that starts with http:// or https://"
          value={url}
          onInput={(event) => {
            setUrl(event.currentTarget.value);
          }}
        />
        <button type="submit" class="secondary">
          Fetch
        </button>
      </div>
      <p class="hint">The server fetches the page. It refuses addresses inside its own network.</p>
    </form>
  );
}
