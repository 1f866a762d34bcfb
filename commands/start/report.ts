import type { StepTime } from "../lib/progress";
import { bytes, duration, table, truncate, wrap } from "../lib/render";
import type { SearchReply } from "./archon-client";
import type { StackOutputs } from "./outputs";

/** How many lines of the best passage and how many columns of the others are shown. */
const passageLines = 6;
const excerptColumns = 70;

/** The answer to one question: the best passage, and how the passages were ranked. */
export function describeAnswer(question: string, reply: SearchReply, width: number): string[] {
  const [best] = reply.results;
  if (best === undefined) {
    return [`Question  ${question}`, "Answer    nothing was found"];
  }
  const passage = wrap(best.content, width - 4);
  const shown = passage.slice(0, passageLines).map((line) => `    ${line}`);
  const ranking = reply.results.map((result, index) => [
    String(index + 1),
    score(result.rerank_score),
    score(result.similarity_score),
    truncate(result.content.replace(/\s+/g, " "), Math.min(excerptColumns, width - 26)),
  ]);
  return [
    `Question  ${question}`,
    `Answer    in ${Math.round(reply.seconds * 1000)} ms, rerank score ${score(best.rerank_score)}:`,
    ...shown,
    ...(passage.length > passageLines ? ["    …"] : []),
    "",
    ...table([["#", "rerank", "search", "passage"], ...ranking], [0, 1, 2]).map((line) => `  ${line}`),
  ];
}

function score(value: number | null | undefined): string {
  return typeof value === "number" ? value.toFixed(4) : "–";
}

export interface DeploymentSizes {
  /** Bytes; undefined where the engine or the store cannot be reached. */
  image: number | undefined;
  environment: number | undefined;
  models: ReadonlyMap<string, number | undefined>;
}

/** What runs now, and where. */
export function describeDeployment(outputs: StackOutputs, sizes: DeploymentSizes): string[] {
  const rows = [
    ["Server", outputs.url, ""],
    ["Release", outputs.release, ""],
    ["Image", outputs.images.server, size(sizes.image)],
    ["Environment", outputs.environment.key, size(sizes.environment)],
    ...outputs.models.map(({ name, repo, revision }) => [
      "Model",
      `${name}: ${repo}@${revision.slice(0, 12)}`,
      size(sizes.models.get(name)),
    ]),
  ];
  return table(rows, [2]);
}

function size(count: number | undefined): string {
  return count === undefined ? "" : bytes(count);
}

export function describeTimes(times: readonly StepTime[]): string {
  const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return `${times.map(({ title, milliseconds }) => `${title} ${duration(milliseconds)}`).join(" · ")} · total ${duration(total)}`;
}
