import { wrap } from "../lib/render";
import type { Finding, Status } from "./finding";

const marks: Readonly<Record<Status, string>> = { ok: "✔", warning: "!", problem: "✖", skipped: "–" };
const words: Readonly<Record<Status, string>> = {
  ok: "ok",
  warning: "warning",
  problem: "problem",
  skipped: "not checked",
};

/** Columns of the mark and the name of a check, before what was found. */
const nameColumns = 16;

/** A finding for people, and below it what fixes it. A remedy is not wrapped, so that it can be copied. */
export function describeFinding({ check, status, finding, remedy }: Finding, width: number): string[] {
  const indent = " ".repeat(nameColumns + 2);
  const lines = finding.split("\n").flatMap((line) => wrap(line, Math.max(width - indent.length, 40)));
  return [
    ...lines.map((line, index) => `${index === 0 ? `${marks[status]} ${check.padEnd(nameColumns)}` : indent}${line}`),
    ...(remedy === undefined ? [] : remedy.split("\n").map((line) => `${indent}→ ${line}`)),
  ];
}

/** `Checked 24: 20 ok, 1 warning, 1 problem, 2 not checked.` */
export function describeTotals(findings: readonly Finding[]): string {
  const counts = (Object.keys(words) as Status[]).flatMap((status) => {
    const count = findings.filter((each) => each.status === status).length;
    const plural = count > 1 && (status === "warning" || status === "problem") ? "s" : "";
    return count === 0 ? [] : [`${count} ${words[status]}${plural}`];
  });
  return `Checked ${findings.length}: ${counts.join(", ")}.`;
}
