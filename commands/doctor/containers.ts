import { z } from "zod";
import { archon } from "../../lib/command-line";
import type { Labelled } from "../../lib/deployment-identity";
import { dockerEnvironment } from "../lib/docker";
import { stackFlag } from "../lib/options";
import { CommandError, run } from "../lib/run";
import { orphans } from "../recover/orphans";
import { ok, problem, skipped, warning, type Finding } from "./finding";
import type { StackState, StateContainer } from "./state";

const inspectedSchema = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    State: z.object({
      /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
      Status: z.string(),
      OOMKilled: z.boolean(),
      ExitCode: z.number(),
      StartedAt: z.string().default(""),
      Health: z
        .object({
          Status: z.string(),
          Log: z.array(z.object({ Start: z.string().default(""), Output: z.string() })).nullish(),
        })
        .nullish(),
    }),
    HostConfig: z.object({ Memory: z.number() }),
    Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
    Mounts: z.array(z.object({ Source: z.string(), Destination: z.string(), RW: z.boolean() })),
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.unknown()) }),
  }),
);

export type Inspected = z.infer<typeof inspectedSchema>[number];

/** What the engine says of containers. One that is removed meanwhile is left out. */
export async function inspectAll(dockerHost: string, ids: readonly string[]): Promise<Inspected[]> {
  const environment = dockerEnvironment(dockerHost);
  const inspect = async (id: string): Promise<Inspected[]> => {
    try {
      return parseInspected(await run("docker", ["inspect", "--type=container", id], { environment }));
    } catch (error) {
      if (error instanceof CommandError) {
        return [];
      }
      throw error;
    }
  };
  return (await Promise.all(ids.map(inspect))).flat();
}

export function parseInspected(json: string): Inspected[] {
  return inspectedSchema.parse(JSON.parse(json));
}

/**
 * Differences between the containers of a stack and what its state says of them.
 * @param labelled the containers, networks and volumes on the engine with the labels of the stack
 * @param inspected what the engine says of the containers that the state knows
 */
export function judgeContainers(
  stack: string,
  { known, containers }: Pick<StackState, "known" | "containers">,
  labelled: readonly Labelled[],
  inspected: readonly Inspected[],
): Finding[] {
  if (containers.length === 0) {
    return [skipped("containers", `the stack "${stack}" runs nothing`, archon(`pulumi up${stackFlag(stack)}`))];
  }
  const findings = [
    ...containers.flatMap((container) => {
      const found = inspected.find(({ Id }) => Id === container.id);
      return found === undefined ? missing(stack, container) : judgeContainer(stack, container, found);
    }),
    ...judgeOrphans(stack, orphans(labelled, known)),
  ];
  // The state lists them in the order in which the update finished them.
  const names = inspected.map(({ Name }) => Name.slice(1)).sort();
  return findings.length > 0 ? findings : [ok("containers", `${names.join(", ")} run as the state says`)];
}

function missing(stack: string, { resource, toDelete }: StateContainer): Finding[] {
  return toDelete
    ? []
    : [
        problem(
          "containers",
          `the container of ${resource} was removed by hand`,
          archon(`pulumi up --refresh${stackFlag(stack)}`),
        ),
      ];
}

function judgeOrphans(stack: string, left: readonly Labelled[]): Finding[] {
  return left.map(({ kind, name }) =>
    problem(
      "containers",
      `the ${kind} ${name} belongs to this deployment, but its state does not know it: a killed update left it`,
      archon(`recover${stackFlag(stack)}`),
    ),
  );
}

const bytesPerMebibyte = 1024 * 1024;

/** What is wrong with one container: the most serious thing first, of which the others may follow. */
function judgeContainer(stack: string, expected: StateContainer, found: Inspected): Finding[] {
  const name = found.Name.slice(1);
  const { Status, OOMKilled, ExitCode, StartedAt, Health } = found.State;
  const refresh = archon(`pulumi up --refresh${stackFlag(stack)}`);
  if (expected.toDelete) {
    return [warning("containers", `an update left ${name} to be removed`, archon(`pulumi up${stackFlag(stack)}`))];
  }
  if (OOMKilled) {
    return [
      problem(
        "containers",
        `the kernel killed ${name}, because it needed more than its ${found.HostConfig.Memory / bytesPerMebibyte} MiB`,
        `give it more: memoryMiB of archon:services in Pulumi.${stack}.yaml, then ${archon(`pulumi up${stackFlag(stack)}`)}`,
      ),
    ];
  }
  if (Status === "paused") {
    return [problem("containers", `${name} is paused`, `docker unpause ${name}`)];
  }
  if (Status !== "running") {
    const code = Status === "exited" ? ` with exit code ${ExitCode}` : "";
    return [
      problem(
        "containers",
        `${name} does not run: ${Status}${code}`,
        `docker logs --tail 50 ${name}\ndocker start ${name}`,
      ),
    ];
  }
  // The first health check runs up to half a minute after the start. Until then the log holds those from before a restart.
  const checks = Health?.Log?.filter(({ Start }) => !(Date.parse(Start) < Date.parse(StartedAt))) ?? [];
  const output = checks.at(-1)?.Output.trim() ?? "";
  const says = output === "" ? "" : `: ${output}`;
  if (Health?.Status === "starting" && checks.length > 0) {
    return [warning("containers", `${name} is starting${says}`, "wait until it is healthy, then check again")];
  }
  if (Health?.Status === "unhealthy") {
    return [
      problem(
        "containers",
        `${name} is unhealthy${says}`,
        `docker logs --tail 50 ${name}\n${archon(`rollback previous${stackFlag(stack)}`)}`,
      ),
    ];
  }
  return judgeDrift(name, expected, found, refresh);
}

/** What somebody changed in a running container. */
function judgeDrift(name: string, expected: StateContainer, found: Inspected, remedy: string): Finding[] {
  const memory = found.HostConfig.Memory / bytesPerMebibyte;
  const lacking = expected.networks.filter((network) => !(network in found.NetworkSettings.Networks));
  return [
    ...(expected.memory === undefined || expected.memory === memory
      ? []
      : [
          problem(
            "containers",
            `${name} may use ${memory} MiB of memory, but the state says ${expected.memory} MiB`,
            remedy,
          ),
        ]),
    ...(lacking.length === 0
      ? []
      : [problem("containers", `${name} is not connected to its network ${lacking.join(", ")}`, remedy)]),
  ];
}
