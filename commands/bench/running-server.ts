import { z } from "zod";
import { readMachine } from "../setup/machine";
import { devStack, project } from "../setup/stack";
import { dockerEnvironment } from "../support/docker";
import { UserError } from "../support/errors";
import { run } from "../support/run";

/** What a running server stands on: its image, and the directories of the host that it mounts. */
export interface RunningServer {
  container: string;
  image: string;
  environment: string;
  models: string;
}

const inspected = z.array(
  z.object({
    Name: z.string(),
    Config: z.object({ Image: z.string() }),
    Mounts: z.array(z.object({ Source: z.string(), Destination: z.string() })),
  }),
);

/**
 * The newest server container of the stack `dev`.
 *
 * @throws UserError when none runs
 */
export async function runningServer(): Promise<RunningServer> {
  const environment = dockerEnvironment(readMachine().dockerHost);
  const labels = { "io.archon.project": project, "io.archon.stack": devStack, "io.archon.component": "server" };
  const filters = Object.entries(labels).map(([name, value]) => `--filter=label=${name}=${value}`);
  const [id] = (await run("docker", ["ps", "--quiet", "--no-trunc", ...filters], { environment })).split("\n").filter((line) => line !== "");
  if (id === undefined) {
    throw new UserError(`No server of the stack ${devStack} is running. Deploy one with \`npm start\`.`);
  }
  const [server] = inspected.parse(JSON.parse(await run("docker", ["inspect", id], { environment })));
  const source = (target: string): string => {
    const mount = server?.Mounts.find(({ Destination }) => Destination === target);
    if (mount === undefined) {
      throw new UserError(`The container ${id.slice(0, 12)} mounts nothing at ${target}, so it is no server of this project.`);
    }
    return mount.Source;
  };
  return {
    container: id,
    image: server?.Config.Image ?? "",
    environment: source("/root/.local"),
    models: source("/root/.cache/huggingface"),
  };
}
