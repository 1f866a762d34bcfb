import type { Command } from "commander";
import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../lib/command-line";
import { devStack, stackHost } from "../config/stack";
import { UserError } from "../lib/errors";
import { remoteAccess } from "../lib/host";
import { sha256 } from "../lib/hashing";
import { ensureSetup } from "./setup/ensure";
import { createStack } from "./setup/stack";
import { ArchonClient, type SearchReply } from "./start/archon-client";
import { deploy, type DeployResult } from "./start/deploy";
import type { StackOutputs } from "./start/outputs";
import { preferOwnState } from "./start/own-state";
import { describeAnswer, describeDeployment, describeTimes } from "./start/report";
import { deploymentSizes } from "./start/sizes";
import { findBackend } from "./lib/backend";
import { pulumiEnvironment } from "./lib/environment";
import { gatewayFetch } from "./lib/gateway-fetch";
import { examples } from "./lib/options";
import { MissingStack, pulumi } from "./lib/pulumi";
import { Steps, type Progress } from "./lib/progress";
import { columnsOf } from "./lib/render";

const documentFile = path.join(__dirname, "start", "about-archon-pulumi.md");
const question = "What happens to searches when a new server never becomes ready?";
const matchCount = 5;

export function define(command: Command): void {
  command
    .addHelpText("after", examples([archon("start"), "the first time: a few minutes, and 7 GB below archon:root"]))
    .action(start);
}

async function start(): Promise<void> {
  const steps = new Steps();
  preferOwnState((line) => console.error(line));
  await ensureSetup(steps);
  const { outputs } = await steps.run(
    "Deployment",
    (progress) => deployAnew(devStack, progress),
    ({ changes }) => `(${changes})`,
  );

  const { dockerHost } = stackHost(devStack);
  const sizes = await deploymentSizes(outputs, dockerHost);
  const access = remoteAccess(dockerHost, outputs.url);
  if (access !== undefined) {
    console.log(["", ...describeDeployment(outputs, sizes), "", describeTimes(steps.times), "", access].join("\n"));
    return;
  }

  const send = await gatewayFetch(devStack, outputs.url);
  const client = new ArchonClient(outputs.url, await apiToken(outputs), send);
  const filename = path.basename(documentFile);
  await steps.run(
    "Document",
    async (progress) => {
      await client.waitUntilHealthy();
      const content = fs.readFileSync(documentFile, "utf8");
      const contentTag = `sha256:${sha256(content).slice(0, 16)}`;
      return client.ensureDocument({ filename, content, contentTag }, progress);
    },
    (uploaded) => `${filename} ${uploaded ? "uploaded" : "already there"}`,
  );
  const reply = await steps.run("Search", () => client.search(question, matchCount));

  console.log(["", ...describeAnswer(question, reply, columnsOf(process.stdout, 100))].join("\n"));
  console.log(["", ...describeDeployment(outputs, sizes), "", describeTimes(steps.times)].join("\n"));

  checkReply(reply, outputs);
}

/** The token of the stack, if it requires one. An update hides it. */
async function apiToken(outputs: StackOutputs): Promise<string | undefined> {
  return outputs.apiToken === undefined
    ? undefined
    : (await pulumi(devStack, ["stack", "output", "apiToken", "--show-secrets"])).trim();
}

/** Updates the stack, and makes it first where its backend does not have it. */
async function deployAnew(stack: string, progress: Progress): Promise<DeployResult> {
  try {
    return await deploy(stack, progress);
  } catch (error) {
    if (!(error instanceof MissingStack)) {
      throw error;
    }
    await createStack(stack, findBackend(), pulumiEnvironment());
    return deploy(stack, progress);
  }
}

/** @throws UserError when the search found nothing, or when the release has models and did not rerank */
function checkReply({ results }: SearchReply, { models, url }: StackOutputs): void {
  const unranked = results.filter(({ rerank_score }) => typeof rerank_score !== "number");
  const hint = `${url}/health/ml shows the state of its models.`;
  if (results.length === 0) {
    throw new UserError(`The search found nothing in the document. ${hint}`);
  }
  if (models.length > 0 && unranked.length > 0) {
    const names = models.map(({ name }) => name).join(", ");
    throw new UserError(
      `${unranked.length} passages came without a rerank score, though the release has ${names}. ${hint}`,
    );
  }
}
