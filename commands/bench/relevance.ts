import * as fs from "node:fs";
import * as path from "node:path";
import { readMachine } from "../setup/machine";
import { dockerEnvironment } from "../support/docker";
import { UserError } from "../support/errors";
import { pythonDirectory } from "../support/images";
import { run } from "../support/run";
import { runningServer } from "./running-server";

/** Own documents and questions about them, both paths of this machine. */
export interface OwnQuestions {
  documents: string;
  questions: string;
}

/**
 * NDCG@10 and MRR of retrieval alone and reranked, for the models of the store (or only those of `models`, like "Org/Name"), with
 * the image, environment and models of the running server, in a container of its own without a network.
 *
 * @returns what `python3 -m relevance` prints
 */
export async function relevance(models: readonly string[] = [], own?: OwnQuestions): Promise<string> {
  const server = await runningServer();
  const mounts = [
    `${server.environment}:/root/.local:ro`,
    `${server.models}:/root/.cache/huggingface:ro`,
    `${pythonDirectory}:/src:ro`,
    ...(own === undefined ? [] : [`${existing(own.documents)}:/own/documents:ro`, `${existing(own.questions)}:/own/questions.json:ro`]),
  ];
  return run(
    "docker",
    [
      ...["run", "--rm", "--init", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--label=io.archon.component=bench"],
      ...mounts.map((mount) => `--volume=${mount}`),
      ...["--workdir=/src", "--env=PYTHONPATH=/src/server:/src", "--env=HF_HUB_OFFLINE=1", "--env=HF_HUB_DISABLE_PROGRESS_BARS=1"],
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
