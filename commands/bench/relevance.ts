import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { MOUNTS } from "../../applications/application";
import { devStack } from "../../config/stack";
import { containerJob } from "../../lib/container-job";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";
import { engineEnvironment } from "../lib/docker";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";
import type { Row } from "./result";
import { runningServer } from "./running-server";

export interface RelevanceOptions {
  model: string[];
  documents?: string;
  questions?: string;
}

interface Arguments {
  /** Models of the store, like "Org/Name"; all of them when empty. */
  models: readonly string[];
  /** Absolute paths of the user's own documents and of questions about them. @default the labelled ones of demo/ */
  own?: { documents: string; questions: string };
}

/** NDCG@10 and MRR of retrieval alone, and reranked by the models of the store. */
export async function benchRelevance(steps: Steps, options: RelevanceOptions): Promise<Row[]> {
  const checked = checkOptions(options);
  return rowsOf(
    await steps.run(
      "Relevance",
      () => relevance(checked),
      () => "measured",
    ),
  );
}

const order = z.object({ ndcg10: z.number(), mrr: z.number() });

/** What `python3 -m relevance --json` prints: for each model, the orders of the answers to each group of questions. */
const measuredSchema = z.array(
  z.object({
    model: z.string().nullable(),
    seconds_per_question: z.number().nullable(),
    rows: z.array(z.object({ group: z.string(), questions: z.number() }).catchall(order)),
  }),
);

/** Reads what the measurement printed. */
export function rowsOf(printed: string): Row[] {
  return measuredSchema.parse(JSON.parse(printed)).flatMap(({ model, seconds_per_question: seconds, rows }) => {
    const subject = model ?? "no model";
    return [
      ...rows.flatMap(({ group, questions, ...orders }) =>
        (["ndcg10", "mrr"] as const).map((measure) => ({
          what: `${subject}, ${group} (${questions}), ${measure === "mrr" ? "MRR" : "NDCG@10"}`,
          unit: "",
          values: Object.fromEntries(Object.entries(orders).map(([name, each]) => [name, each[measure]])),
        })),
      ),
      ...(seconds === null
        ? []
        : [{ what: `${subject}, a question of up to 50 candidates`, unit: "s", values: { reranked: seconds } }]),
    ];
  });
}

function checkOptions({ model, documents, questions }: RelevanceOptions): Arguments {
  if (documents === undefined && questions === undefined) {
    return { models: model };
  }
  if (documents === undefined || questions === undefined) {
    throw new UserError("--documents and --questions go together.");
  }
  return { models: model, own: { documents: existing(documents), questions: existing(questions) } };
}

/** Runs the measurement in a container without a network, with the image, environment and models of the running server. */
async function relevance({ models, own }: Arguments): Promise<string> {
  const server = await runningServer();
  const ownMounts =
    own === undefined
      ? []
      : [
          { source: own.documents, target: "/own/documents" },
          { source: own.questions, target: "/own/questions.json" },
        ];
  return run(
    "docker",
    containerJob({
      image: server.image,
      command: [
        "python3",
        "-m",
        "relevance",
        "--json",
        ...models.map((model) => `--model=${model}`),
        ...(own === undefined ? [] : ["--documents=/own/documents", "--questions=/own/questions.json"]),
      ],
      labels: { component: "bench" },
      mounts: [
        { source: server.environment, target: MOUNTS.environment },
        { source: server.models, target: MOUNTS.models },
        { source: path.join(projectRoot, "demo"), target: "/src" },
        ...ownMounts,
      ],
      variables: { HF_HUB_OFFLINE: "1", HF_HUB_DISABLE_PROGRESS_BARS: "1" },
      workdir: "/src",
    }),
    { environment: engineEnvironment(devStack), log: "bench-relevance" },
  );
}

/** Absolute path of a file. @throws UserError when it does not exist */
function existing(file: string): string {
  const absolute = path.resolve(file);
  if (!fs.existsSync(absolute)) {
    throw new UserError(`${absolute} does not exist.`);
  }
  return absolute;
}
