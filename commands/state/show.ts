import { archon } from "../../lib/command-line";
import { displayUrl, fileBackendDirectory, findBackend, type BackendSource } from "../lib/backend";
import { allStates, embeddedState, isMade, readRecord, stacksIn } from "../lib/embedded-state";

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
  others: { directory: string; checkout: string | undefined; stacks: string[] }[];
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
      .map((state) => ({
        directory: state.directory,
        checkout: readRecord(state)?.checkout,
        stacks: stacksIn(state.backend),
      })),
  };
}

const reasons: Record<BackendSource, string> = {
  PULUMI_BACKEND_URL: "PULUMI_BACKEND_URL of this shell",
  "Pulumi.yaml": "backend.url in Pulumi.yaml",
  "archon state move": "where `archon state move` has moved the state of this checkout",
  embedded: "the embedded state of this checkout",
  "pulumi login": "the login of this user; the checkout has no state of its own",
};

/** The report for a terminal. */
export function describeState(report: StateReport): string[] {
  const { embedded, ignoredLogin } = report;
  return [
    `State:       ${report.backend}`,
    `Chosen by:   ${reasons[report.source]}`,
    `Stacks:      ${report.stacks === undefined ? `\`${archon("pulumi stack ls")}\` lists them` : names(report.stacks)}`,
    `Passphrase:  ${report.passphraseFile ?? "of this shell, or the stack's secrets provider"}`,
    ...(ignoredLogin === undefined ? [] : ["", describeIgnoredLogin(ignoredLogin)]),
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
            ({ directory, checkout, stacks }) =>
              `  ${directory}  ${names(stacks)}  of ${checkout ?? "an unknown checkout"}`,
          ),
        ]),
  ];
}

/** That the user is logged in to a backend which is not used, and how to use it. */
export function describeIgnoredLogin(url: string): string {
  return (
    `You are logged in to ${displayUrl(url)}. This checkout does not use it, because its state is elsewhere. ` +
    `To move the stacks there: ${archon(`state move ${displayUrl(url)}`)}`
  );
}

function names(stacks: readonly string[]): string {
  return stacks.length === 0 ? "(none)" : stacks.join(", ");
}
