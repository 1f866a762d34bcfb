import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { displayUrl, fileBackendDirectory, findBackend, type BackendSource } from "../lib/backend";
import { allStates, embeddedState, isMade, readRecord, stacksIn, type EmbeddedState } from "../lib/embedded-state";

/** What `archon state` reports. */
export interface StateReport {
  /** Without credentials and parameters. */
  backend: string;
  source: BackendSource;
  /** The stacks of this project; undefined where only the backend itself can list them. */
  stacks: string[] | undefined;
  /** File with the passphrase; undefined if the shell or a secrets provider has it. */
  passphraseFile: string | undefined;
  /** A backend that the user is logged in to, and that is not used. */
  ignoredLogin: string | undefined;
  /** The embedded state of this checkout. */
  embedded: { directory: string; stacks: string[]; movedTo: string | undefined; used: boolean } | undefined;
  /** The embedded states of other checkouts of this user. */
  others: OtherState[];
}

interface OtherState {
  directory: string;
  /** Undefined if it is not recorded. */
  checkout: string | undefined;
  /** Whether its record is damaged. */
  damaged: boolean;
  stacks: string[];
}

export function stateReport(): StateReport {
  const backend = findBackend();
  const directory = fileBackendDirectory(backend.url);
  const embedded = embeddedState();
  const movedTo = readRecord(embedded)?.movedTo;
  return {
    backend: displayUrl(backend.url),
    source: backend.source,
    stacks: directory === undefined ? undefined : stacksIn(directory),
    passphraseFile: backend.passphraseFile,
    ignoredLogin: backend.ignoredLogin === undefined ? undefined : displayUrl(backend.ignoredLogin),
    embedded: isMade(embedded)
      ? {
          directory: embedded.directory,
          stacks: stacksIn(embedded.backend),
          movedTo: movedTo === undefined ? undefined : displayUrl(movedTo),
          used: backend.source === "embedded",
        }
      : undefined,
    others: allStates()
      .filter((state) => state.directory !== embedded.directory)
      .map(otherState),
  };
}

function otherState(state: EmbeddedState): OtherState {
  const { directory } = state;
  const stacks = stacksIn(state.backend);
  try {
    return { directory, checkout: readRecord(state)?.checkout, damaged: false, stacks };
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error;
    }
    return { directory, checkout: undefined, damaged: true, stacks };
  }
}

const reasons: Record<BackendSource, string> = {
  PULUMI_BACKEND_URL: "PULUMI_BACKEND_URL of this shell",
  "Pulumi.yaml": "backend.url in Pulumi.yaml",
  "archon state move": "where `archon state move` has moved the state of this checkout",
  embedded: "the embedded state of this checkout",
  "pulumi login": "the login of this user; the checkout has no state of its own",
};

/** Why a backend is used, for people. */
export function describeSource(source: BackendSource): string {
  return reasons[source];
}

/** The report for a terminal. */
export function describeState(report: StateReport): string[] {
  const { embedded, ignoredLogin } = report;
  return [
    `State:       ${report.backend}`,
    `Chosen by:   ${describeSource(report.source)}`,
    `Stacks:      ${report.stacks === undefined ? `\`${archon("pulumi stack ls")}\` lists them` : names(report.stacks)}`,
    `Passphrase:  ${report.passphraseFile ?? "of this shell, or the stack's secrets provider"}`,
    ...(ignoredLogin === undefined ? [] : ["", describeIgnoredLogin(ignoredLogin, isMovable(report))]),
    ...(embedded === undefined || embedded.used
      ? []
      : [
          "",
          `The embedded state of this checkout is not used: ${embedded.directory}`,
          embedded.movedTo === undefined
            ? `It holds ${names(embedded.stacks)}. \`${archon("state move BACKEND")}\` moves them.`
            : `Its stacks were moved to ${embedded.movedTo}.`,
        ]),
    ...(report.others.length === 0
      ? []
      : [
          "",
          "Embedded states of other checkouts:",
          ...report.others.map(
            ({ directory, checkout, damaged, stacks }) =>
              `  ${directory}  ${names(stacks)}  of ${checkout ?? "an unknown checkout"}` +
              (damaged ? " (its checkout.json cannot be read)" : ""),
          ),
        ]),
  ];
}

/** Whether there are stacks that `archon state move` would move. */
function isMovable({ embedded }: StateReport): boolean {
  return embedded?.used === true && embedded.stacks.length > 0;
}

/**
 * That the user is logged in to a backend which is not used.
 * @param movable whether to say how the stacks of this checkout get there
 */
export function describeIgnoredLogin(url: string, movable: boolean): string {
  return (
    `You are logged in to ${displayUrl(url)}. This checkout does not use it, because its state is elsewhere.` +
    // Without its parameters, the address of a bucket cannot be used.
    (movable ? ` To move the stacks there: ${archon("state move BACKEND")}, with the address of your login.` : "")
  );
}

function names(stacks: readonly string[]): string {
  return stacks.length === 0 ? "(none)" : stacks.join(", ");
}
