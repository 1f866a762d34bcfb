import { Option, type Command } from "commander";
import { devStack, stackHost } from "../config/stack";
import { archon } from "../lib/command-line";
import { gitCommit } from "../lib/git";
import { projectRoot } from "../lib/paths";
import { benchFetch } from "./bench/fetch";
import { describeMachine } from "./bench/machine";
import { benchRelevance, type RelevanceOptions } from "./bench/relevance";
import { describeResult, keepResult, type BenchResult, type Row } from "./bench/result";
import { benchRollback } from "./bench/rollback";
import { benchSearch, type SearchOptions } from "./bench/search";
import { benchServer } from "./bench/server";
import { benchStore } from "./bench/store";
import { examples, repeatable, stackOption, wholeNumber } from "./lib/options";
import { Steps } from "./lib/progress";
import { ensureSetup } from "./setup/ensure";

export function define(command: Command): void {
  command.addHelpText(
    "after",
    examples(
      [archon("bench"), "the store against baked images"],
      [archon("bench server --json"), "eleven minutes of load, figures and machine as JSON"],
    ),
  );
  command
    .command("store")
    .description("Compare the store with environments baked into images: 8 minutes, 18 GB of disk (the default).")
    .addOption(jsonOption())
    .action(({ json }: Output) => measure("store", benchStore, json));
  command
    .command("fetch")
    .description("Compare the download of a model with curl, and interrupt it 50 times: 4 minutes, 4 GB of disk.")
    .addOption(jsonOption())
    .action(({ json }: Output) => measure("fetch", benchFetch, json));
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
    .addOption(jsonOption())
    .action((options: RelevanceOptions & Output) =>
      measure("relevance", (steps) => benchRelevance(steps, options), options.json),
    );
  command
    .command("server")
    .description(
      "Put the running stack dev under load: 11 minutes. ARCHON_API_TOKEN holds the API token if there is one.",
    )
    .addOption(jsonOption())
    .action(({ json }: Output) => measure("server", benchServer, json));
  command
    .command("rollback")
    .description("Roll the stack dev back to its previous release, and forward again: a minute.")
    .addOption(jsonOption())
    .action(({ json }: Output) => measure("rollback", benchRollback, json));
  command
    .command("search")
    .description("Measure the reranked searches of a running stack that has documents: a minute.")
    .addOption(stackOption())
    .option("--query <text>", "what to search for; may be repeated", repeatable, [])
    .option("--clients <number>", "how many search at the same time", wholeNumber, 1)
    .option("--seconds <number>", "how long", wholeNumber, 60)
    .option("--restart", "restart the server first, and measure the time to its first reranked search", false)
    .addHelpText(
      "after",
      examples([archon("bench search --stack archon --restart"), "before and after a change of keepModelLoaded"]),
    )
    .addOption(jsonOption())
    .action((options: SearchOptions & Output) =>
      measure("search", (steps) => benchSearch(steps, options), options.json, options.stack),
    );
}

interface Output {
  json: boolean;
}

function jsonOption(): Option {
  return new Option("--json", "print JSON, with a description of the machine").default(false);
}

/** Runs a benchmark, keeps its result for `./archon report`, and prints it. */
async function measure(
  benchmark: BenchResult["benchmark"],
  work: (steps: Steps) => Promise<Row[]>,
  json: boolean,
  stack: string = devStack,
): Promise<void> {
  // With --json, stdout is for the answer alone: scripts read it.
  const steps = new Steps(json ? { output: process.stderr } : {});
  await ensureSetup(steps, stack);
  const rows = await work(steps);
  const { commit } = gitCommit(projectRoot);
  const result: BenchResult = {
    benchmark,
    measured: new Date().toISOString(),
    ...(commit === undefined ? {} : { commit }),
    machine: await describeMachine(stackHost(stack).dockerHost),
    rows,
  };
  keepResult(result);
  console.log(json ? JSON.stringify(result, undefined, 2) : ["", ...describeResult(result)].join("\n"));
}
