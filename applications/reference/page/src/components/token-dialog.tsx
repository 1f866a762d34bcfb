import type { JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { onTokenAsked } from "../api/token";
import { Dialog } from "./dialog";

type Asked = Parameters<Parameters<typeof onTokenAsked>[0]>[0];

/** Asks for the API token when the server wants one. It is kept until the tab is closed. */
export function TokenDialog(): JSX.Element | null {
  const [asked, setAsked] = useState<Asked>();
  const [token, setToken] = useState("");
  const id = useId();
  useEffect(() => onTokenAsked(setAsked), []);
  if (asked === undefined) {
    return null;
  }
  return (
    <Dialog title="This server needs its API token" onClose={asked.dismiss}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          asked.give(token.trim());
          setToken("");
        }}
      >
        {asked.refused && (
          <p class="problem" role="alert">
            The server did not accept that token. Check that it is whole and of this stack.
          </p>
        )}
        <p>
          Whoever deployed the server can print it with <code>pulumi stack output apiToken --show-secrets</code>.
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
        <p class="hint">Kept in this tab only, until it is closed.</p>
        <div class="actions">
          <button type="button" class="quiet" onClick={asked.dismiss}>
            Not now
          </button>
          <button type="submit">Use it</button>
        </div>
      </form>
    </Dialog>
  );
}
