import type { JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { onTokenPrompt, type TokenPrompt } from "../api/token";
import { Dialog } from "./dialog";

/** Asks for the API token when the server requires one. The tab keeps the token until it is closed. */
export function TokenDialog(): JSX.Element | null {
  const [prompt, setPrompt] = useState<TokenPrompt>();
  const [token, setToken] = useState("");
  const id = useId();
  useEffect(() => onTokenPrompt(setPrompt), []);
  if (prompt === undefined) {
    return null;
  }
  return (
    <Dialog title="This server requires an API token" onClose={prompt.dismiss}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          prompt.submit(token.trim());
          setToken("");
        }}
      >
        {prompt.rejected && (
          <p class="problem" role="alert">
            The server did not accept this token. Check that it is complete and belongs to this stack.
          </p>
        )}
        <p>
          To print the token, run this where the server was deployed:{" "}
          <code>pulumi stack output apiToken --show-secrets</code>
        </p>
        <label for={id}>API token</label>
        <input
          id={id}
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          autofocus
          value={token}
          onInput={(event) => {
            setToken(event.currentTarget.value);
          }}
        />
        <p class="hint">The token is kept in this tab until you close it.</p>
        <div class="actions">
          <button type="button" class="secondary" onClick={prompt.dismiss}>
            Cancel
          </button>
          <button type="submit">Use token</button>
        </div>
      </form>
    </Dialog>
  );
}
