import { z } from "zod";
import { MOUNTS } from "../../applications/application";
import { archon } from "../../lib/command-line";
import { devStack, project } from "../../config/stack";
import { gatewayUrl } from "../../components/service/gateway";
import { UserError } from "../../lib/errors";
import { engineEnvironment } from "../lib/docker";
import { run } from "../lib/run";

/** A running server container, with its image and the directories of the host that it mounts. */
export interface RunningServer {
  container: string;
  image: string;
  environment: string;
  models: string;
}

const inspected = z.array(
  z.object({
    Name: z.string(),
    Config: z.object({ Image: z.string(), Env: z.array(z.string()) }),
    NetworkSettings: z.object({
      Ports: z.record(z.string(), z.array(z.object({ HostIp: z.string(), HostPort: z.string() })).nullable()),
    }),
    Mounts: z.array(z.object({ Source: z.string(), Destination: z.string() })),
  }),
);

/**
 * The newest server container of the stack `dev`.
 *
 * @throws UserError when none runs
 */
export async function runningServer(): Promise<RunningServer> {
  const server = await running("server");
  const source = (target: string): string => {
    const mount = server.Mounts.find(({ Destination }) => Destination === target);
    if (mount === undefined) {
      throw new UserError(
        `The container ${server.Name} mounts nothing at ${target}, so it is no server of this project.`,
      );
    }
    return mount.Source;
  };
  return {
    container: server.Name.replace("/", ""),
    image: server.Config.Image,
    environment: source(MOUNTS.environment),
    models: source(MOUNTS.models),
  };
}

/**
 * Where the gateway of the stack `dev` answers.
 *
 * @throws UserError when none runs
 */
export async function runningGatewayUrl(): Promise<string> {
  const gateway = await running("gateway");
  const [published] = Object.values(gateway.NetworkSettings.Ports).flatMap((ports) => ports ?? []);
  if (published === undefined) {
    throw new UserError(`The container ${gateway.Name} publishes no port.`);
  }
  const scheme = gateway.Config.Env.some((each) => each.startsWith("ARCHON_TLS=")) ? "https" : "http";
  return gatewayUrl(published.HostIp, Number(published.HostPort), scheme);
}

async function running(component: string): Promise<z.infer<typeof inspected>[number]> {
  const environment = engineEnvironment(devStack);
  const labels = { "io.archon.project": project, "io.archon.stack": devStack, "io.archon.component": component };
  const filters = Object.entries(labels).map(([name, value]) => `--filter=label=${name}=${value}`);
  const [id] = (await run("docker", ["ps", "--quiet", "--no-trunc", ...filters], { environment }))
    .split("\n")
    .filter((line) => line !== "");
  const [found] =
    id === undefined ? [] : inspected.parse(JSON.parse(await run("docker", ["inspect", id], { environment })));
  if (found === undefined) {
    throw new UserError(`No ${component} of the stack ${devStack} is running. Deploy one with \`${archon("start")}\`.`);
  }
  return found;
}
