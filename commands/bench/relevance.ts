import * as fs from "node:fs";
import * as path from "node:path";
import { MOUNTS } from "../../applications/application";
import { devStack } from "../../config/stack";
import { containerJob } from "../../lib/container-job";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";
import { engineEnvironment } from "../lib/docker";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";
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
export async function benchRelevance(steps: Steps, options: RelevanceOptions): Promise<void> {
  const checked = checkOptions(options);
  const table = await steps.run(
    "Relevance",
    () => relevance(checked),
    () => "measured",
  );
  console.log(`\n${table}`);
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
