import { z } from "zod";
import { project, stackHost } from "../../config/stack";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { runningImages, snapshotOf, snapshotPath, type Release } from "../../release/release";
import { lastResult } from "../bench/result";
import { dockerEnvironment, imageLayers, labelledContainers } from "../lib/docker";
import { stackFlag } from "../lib/options";
import { runInside, runProbe } from "../lib/probe";
import { pulumi } from "../lib/pulumi";
import { run } from "../lib/run";
import { silent, type Progress } from "../lib/progress";
import { readLedger } from "../releases/ledger";
import { parseInventory } from "../store/report";
import { runStoreTool, storeImage } from "../store/store-tool";
import { parseEngineUse } from "./engine-use";
import { sum, type Duration, type EngineUse, type Memory, type Report } from "./report";
import { timesOfHistory, timesOfState } from "./times";

/**
 * Measures a deployed stack, in a few seconds. Changes nothing but that it builds the image with the store tool where the
 * engine lacks it.
 * @throws UserError for a stack that runs nothing
 */
export async function measureStack(stack: string, progress: Progress): Promise<Report> {
  const { dockerHost } = stackHost(stack);
  const { running, releases, root } = await readLedger(stack);
  const release = releases.find(({ id }) => id === running);
  if (release === undefined || root === undefined) {
    throw new UserError(
      `The stack "${stack}" runs nothing yet. Deploy it with \`${archon(`pulumi up${stackFlag(stack)}`)}\`.`,
    );
  }
  const image = await storeImage(stack, progress);
  const inventory = parseInventory(await runStoreTool(stack, { root, command: ["list", "--json"] }, image, silent));
  const layers = (await imageLayers(release.images.server, dockerHost)) ?? [];
  const trees = await measureTrees({ image, dockerHost }, root, releases);
  const populated = trees.trees.find(({ name }) => name === environmentPath(release))?.seconds ?? null;
  return {
    stack,
    measured: new Date().toISOString(),
    release: release.id,
    application: release.application ?? "reference",
    image: { reference: release.images.server, bytes: sum(layers, ({ bytes }) => bytes), layers },
    roles: await roleImages(release, dockerHost),
    environment: {
      key: release.environment,
      bytes: inventory.environments.find(({ key }) => key === release.environment)?.bytes ?? 0,
    },
    models: release.models.map((model) => ({
      name: model.name,
      snapshot: snapshotOf(model),
      bytes: inventory.models.find((each) => each.model === snapshotOf(model))?.bytes ?? 0,
    })),
    engine: await engineUse(dockerHost),
    times: [
      ...(populated === null ? [] : [{ what: `populate of ${release.environment}`, seconds: populated, ended: null }]),
      ...(await pulumiTimes(stack)),
    ],
    sharing: { trees: trees.trees.map(({ name, bytes }) => ({ name, bytes })), together: trees.together },
    memory: await measureMemory(stack, dockerHost),
    savings: lastResult("store") ?? null,
  };
}

async function roleImages(release: Release, dockerHost: string): Promise<Report["roles"]> {
  const further = [...runningImages(release)].filter(([role]) => role !== "server");
  return Promise.all(
    further.map(async ([role, reference]) => ({
      role,
      reference,
      bytes: sum((await imageLayers(reference, dockerHost)) ?? [], ({ bytes }) => bytes),
    })),
  );
}

const treesSchema = z.object({
  trees: z.array(z.object({ name: z.string(), bytes: z.number(), seconds: z.number().nullable() })),
  together: z.number(),
});

/** What the environments and models of releases take on the disk. */
function measureTrees(
  place: { image: string; dockerHost: string },
  root: string,
  releases: readonly Release[],
): Promise<z.infer<typeof treesSchema>> {
  const names = releases.flatMap((release) => [environmentPath(release), ...release.models.map(snapshotPath)]);
  return runProbe(place, {
    program: "report/probes/trees.py",
    args: [...new Set(names)],
    options: { capabilities: ["DAC_READ_SEARCH"], mounts: [{ source: root, target: "/store" }] },
    schema: treesSchema,
  });
}

function environmentPath({ environment }: Release): string {
  return `envs/${environment}`;
}

async function engineUse(dockerHost: string): Promise<EngineUse[]> {
  const environment = dockerEnvironment(dockerHost);
  return parseEngineUse(await run("docker", ["system", "df", "--format", "{{json .}}"], { environment }));
}

async function pulumiTimes(stack: string): Promise<Duration[]> {
  const history = await pulumi(stack, ["stack", "history", "--json"]);
  return [...timesOfHistory(history, `${project}:release`), ...timesOfState(await pulumi(stack, ["stack", "export"]))];
}

const memorySchema = z.object({ rss: z.number(), pss: z.number() });

/** Bytes of memory of a server's processes. */
export type ServerMemory = z.infer<typeof memorySchema>;

export function readMemory(container: string, dockerHost: string): Promise<ServerMemory> {
  return runInside({ container, dockerHost }, { program: "report/probes/memory.py", schema: memorySchema });
}

async function measureMemory(stack: string, dockerHost: string): Promise<Memory> {
  const labels = { project, stack, component: "server" };
  const names = await labelledContainers(labels, dockerHost);
  const servers = await Promise.all(
    names.map(async (container) => ({
      name: container,
      ...(await readMemory(container, dockerHost)),
    })),
  );
  return { servers };
}
