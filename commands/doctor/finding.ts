/** How serious a finding is. Only a problem makes the exit code 1. */
export type Status = "ok" | "warning" | "problem" | "skipped";

/** What one check found. Never holds a secret. */
export interface Finding {
  /** What was looked at, in one or two words. */
  check: string;
  status: Status;
  /** What was found, or why nothing could be looked at. */
  finding: string;
  /** The command, or the change, that fixes it. @default there is nothing to fix */
  remedy?: string;
}

export function ok(check: string, finding: string): Finding {
  return { check, status: "ok", finding };
}

/** Something to know about: what runs is not affected. */
export function warning(check: string, finding: string, remedy: string): Finding {
  return { check, status: "warning", finding, remedy };
}

/** Something is broken, or the next update will fail. */
export function problem(check: string, finding: string, remedy: string): Finding {
  return { check, status: "problem", finding, remedy };
}

/** Nothing could be looked at. @param remedy what makes the check possible, if anything does */
export function skipped(check: string, reason: string, remedy?: string): Finding {
  return { check, status: "skipped", finding: reason, ...(remedy === undefined ? {} : { remedy }) };
}

/** Whether nothing is wrong. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== "problem");
}
