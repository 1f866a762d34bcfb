import type * as pulumi from "@pulumi/pulumi";
import { runError } from "../config/run-error";
import { archon } from "../lib/command-line";
import { ANSWER_SECONDS, askEngine, reasonOf, requireOfEngine } from "./engine";

/** Asks an engine for its id, which is the same at each of its addresses. */
const ENGINE_ID = ["info", "--format", "{{.ID}}"];

/**
 * Checks that images are built on the stack's engine. Pulumi's Docker provider sends every other request to the engine of
 * its `host`, but its BuildKit client connects to the one that Docker clients take by themselves: that of `DOCKER_HOST`,
 * else of the current context (kreuzwerker/terraform-provider-docker, `docker_cli.go` and `ResolveBuilderLikeBuildx`).
 * The commands of this project set `DOCKER_HOST`; a plain `pulumi up` may not.
 *
 * @param dockerHost address of the stack's engine
 * @throws pulumi.RunError when they would be built on another engine, or on one that does not answer
 */
export function checkBuildEngine(stack: string, dockerHost: string): void {
  const variable = process.env["DOCKER_HOST"];
  if (variable === dockerHost) {
    return;
  }
  const shell = variable ? `DOCKER_HOST, ${variable}` : "your current Docker context";
  let builder: string;
  try {
    builder = askEngine(undefined, ENGINE_ID, ANSWER_SECONDS);
  } catch (error) {
    throw refusal(stack, dockerHost, `${shell}, which does not answer: ${reasonOf(error, ANSWER_SECONDS)}`);
  }
  if (builder !== requireOfEngine(dockerHost, ENGINE_ID, ANSWER_SECONDS)) {
    throw refusal(stack, dockerHost, `${shell}, which is not the engine of this stack, ${dockerHost}`);
  }
}

function refusal(stack: string, dockerHost: string, builder: string): pulumi.RunError {
  return runError(
    `This update has to build an image, and Pulumi's Docker provider builds on the engine of ${builder}\n` +
      `Nothing was changed. Run \`${archon(`pulumi up --stack ${stack}`)}\`, which builds on the stack's engine, ` +
      `or set DOCKER_HOST=${dockerHost} for Pulumi.`,
  );
}
