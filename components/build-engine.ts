import { runError } from "../config/run-error";
import { archon } from "../lib/command-line";
import { askEngine, reasonOf } from "./engine";

/** Seconds that an engine may take to say which one it is. */
const TIMEOUT_SECONDS = 10;

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
  const builder = engineId(undefined);
  if ("id" in builder && builder.id === idOf(engineId(dockerHost))) {
    return;
  }
  const taken = variable ? `DOCKER_HOST, ${variable}` : "your current Docker context";
  const difference =
    "id" in builder
      ? `which is another one than archon:dockerHost, ${dockerHost}`
      : `which does not answer: ${builder.problem}`;
  throw runError(
    `This update has to build an image, and Pulumi's Docker provider builds on the engine of ${taken}, ${difference}\n` +
      `Nothing was changed. Run \`${archon(`pulumi up --stack ${stack}`)}\`, which builds on the stack's engine, or set DOCKER_HOST=${dockerHost} for Pulumi.`,
  );
}

/** The id of an engine is the same at every address. */
type EngineId = { id: string } | { problem: string };

function engineId(dockerHost: string | undefined): EngineId {
  try {
    const id = askEngine(dockerHost, ["info", "--format", "{{.ID}}"], TIMEOUT_SECONDS).trim();
    return id === "" ? { problem: "it has no id" } : { id };
  } catch (error) {
    return { problem: reasonOf(error, TIMEOUT_SECONDS) };
  }
}

function idOf(engine: EngineId): string | undefined {
  return "id" in engine ? engine.id : undefined;
}
