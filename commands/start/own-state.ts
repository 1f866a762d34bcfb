import { findBackend } from "../lib/backend";
import { embeddedState, ensureState, stacksIn } from "../lib/embedded-state";
import { describeIgnoredLogin } from "../state/show";

/**
 * Gives a checkout without a state an embedded one where the user is logged in to a backend, so that the stack is not made
 * there: that login may be for other projects. Says so.
 */
export function preferOwnState(print: (line: string) => void): void {
  const state = embeddedState();
  if (findBackend().source === "pulumi login") {
    ensureState(state);
  }
  const { source, ignoredLogin } = findBackend();
  if (source === "embedded" && ignoredLogin !== undefined) {
    print(describeIgnoredLogin(ignoredLogin, stacksIn(state.backend).length > 0));
  }
}
