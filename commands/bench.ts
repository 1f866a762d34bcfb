import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { benchFetch } from "./bench/fetch";
import { benchRelevance, type RelevanceOptions } from "./bench/relevance";
import { benchServer } from "./bench/server";
import { benchStore } from "./bench/store";
import { examples, repeatable } from "./lib/options";
import { Steps } from "./lib/progress";
import { ensureSetup } from "./setup/ensure";

export function define(command: Command): void {
  command.addHelpText(
    "after",
    examples([archon("bench"), "the store against baked images"], [archon("bench server"), "eleven minutes of load"]),
  );
  command
    .command("store")
    .description("Compare the store with environments baked into images: 8 minutes, 18 GB of disk (the default).")
    .action(() => measure(benchStore));
  command
    .command("fetch")
    .description("Compare the download of a model with curl, and interrupt it 50 times: 4 minutes, 4 GB of disk.")
    .action(() => measure(benchFetch));
  command
    .command("relevance")
    .description("Measure NDCG@10 and MRR with and without the models of the running stack dev.")
    .option("--model <org/name>", "a model to measure; may be repeated (default: all)", repeatable, [])
    .option("--documents <directory>", "documents of your own")
    .option("--questions <file>", "questions about them")
    .addHelpText(
      "after",
      examples([archon("bench relevance --documents docs --questions q.json"), "with your own data"]),
    )
    .action((options: RelevanceOptions) => measure((steps) => benchRelevance(steps, options)));
  command
    .command("server")
    .description(
      "Put the running stack dev under load: 11 minutes. ARCHON_API_TOKEN holds the API token if there is one.",
    )
    .action(() => measure(benchServer));
}

async function measure(benchmark: (steps: Steps) => Promise<void>): Promise<void> {
  const steps = new Steps();
  await ensureSetup(steps);
  await benchmark(steps);
}
