import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { readMachine } from "../../config/machine";
import { dockerEnvironment } from "../lib/docker";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";
import { runningServer } from "./running-server";

interface Arguments {
  /** Models of the store, like "Org/Name"; all of them when empty. */
  models: readonly string[];
  /** Own documents and questions about them, both paths of this machine. */
  own?: { documents: string; questions: string };
}

/**
 * NDCG@10 and MRR of retrieval alone and reranked by the models of the store:
 * `npm run bench -- relevance [--model Org/Name]... [--documents DIR --questions FILE]`.
 */
export async function benchRelevance(steps: Steps, args: readonly string[]): Promise<void> {
  const chosen = parse(args);
  const table = await steps.run(
    "Relevance",
    () => relevance(chosen),
    () => "measured",
  );
  console.log(`\n${table}`);
}

function parse(args: readonly string[]): Arguments {
  const usage = "Usage: npm run bench -- relevance [--model Org/Name]... [--documents DIR --questions FILE]";
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { model: { ...text, multiple: true }, documents: text, questions: text },
    });
    const { model: models = [], documents, questions } = values;
    if (documents === undefined && questions === undefined) {
      return { models };
    }
    if (documents !== undefined && questions !== undefined) {
      return { models, own: { documents: existing(documents), questions: existing(questions) } };
    }
  } catch (error) {
    if (error instanceof UserError || !(error instanceof TypeError)) {
      throw error;
    }
    throw new UserError(`${error.message}\n${usage}`);
  }
  throw new UserError(`--documents and --questions go together.\n${usage}`);
}

/** With the image, environment and models of the running server, in a container of its own without a network. */
async function relevance({ models, own }: Arguments): Promise<string> {
  const server = await runningServer();
  const mounts = [
    `${server.environment}:/root/.local:ro`,
    `${server.models}:/root/.cache/huggingface:ro`,
    `${path.join(projectRoot, "demo")}:/src:ro`,
    ...(own === undefined ? [] : [`${own.documents}:/own/documents:ro`, `${own.questions}:/own/questions.json:ro`]),
  ];
  return run(
    "docker",
    [
      ...[
        "run",
        "--rm",
        "--init",
        "--network=none",
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--label=io.archon.component=bench",
      ],
      ...mounts.map((mount) => `--volume=${mount}`),
      ...["--workdir=/src", "--env=PYTHONPATH=/src", "--env=HF_HUB_OFFLINE=1", "--env=HF_HUB_DISABLE_PROGRESS_BARS=1"],
      ...[server.image, "python3", "-m", "relevance", ...models.map((model) => `--model=${model}`)],
      ...(own === undefined ? [] : ["--documents=/own/documents", "--questions=/own/questions.json"]),
    ],
    { environment: dockerEnvironment(readMachine().dockerHost), log: "bench-relevance" },
  );
}

function existing(file: string): string {
  const absolute = path.resolve(file);
  if (!fs.existsSync(absolute)) {
    throw new UserError(`${absolute} does not exist.`);
  }
  return absolute;
}
