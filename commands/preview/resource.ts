import { z } from "zod";
import { readJobInputs, type JobInputs } from "../../lib/container-job";
import type { PreviewStep, State } from "./document";

/** What a resource does in this project. One that fits no other role is `other`, so that no change is hidden. */
export type Role =
  | "image"
  | "environment"
  | "model"
  | "server"
  | "stop-old"
  | "gateway"
  | "collection"
  | "store"
  | "token"
  | "network"
  | "other";

export interface Resource {
  role: Role;
  /** For people: `image archon-server:5278e51e28e1fea2`. */
  title: string;
}

/** Roles by the type of a resource, its name and the type of its parent. The first that fits counts. */
const roles: readonly { parent?: RegExp; name?: RegExp; type: RegExp; role: Role | "hidden" }[] = [
  // The stack, components and providers exist only in the state.
  { type: /^(pulumi|archon):/, role: "hidden" },
  // The readiness gate waits for its server (type ArchonServer). The check of imports only looks. The jobs of GC roots (type
  // Hold) and of a baseline (type Proof) only record.
  { parent: /:(ArchonServer|ImportCheck|Hold|Proof)$/, type: /:Command$/, role: "hidden" },
  // The change that adds new servers already implies that the old ones are removed.
  { parent: /:Service$/, name: /-drain$/, type: /:Command$/, role: "hidden" },
  { type: /:RemoteImage$/, role: "image" },
  { parent: /:Environment$/, type: /:Command$/, role: "environment" },
  { parent: /:ModelSnapshot$/, type: /:Command$/, role: "model" },
  { parent: /:ArchonServer$/, type: /:Container$/, role: "server" },
  { parent: /:Service$/, type: /:Command$/, role: "stop-old" },
  { parent: /:Gateway$/, type: /:Container$/, role: "gateway" },
  { parent: /:Collection$/, type: /:Command$/, role: "collection" },
  { parent: /:HostStore$/, type: /:Command$/, name: /-claim-/, role: "hidden" },
  { parent: /:HostStore$/, type: /:Command$/, role: "store" },
  { type: /:RandomPassword$/, role: "token" },
  { type: /:Network$/, role: "network" },
];

/** The resource of a step, or undefined for one that is not shown by itself. */
export function resourceOf({ urn, oldState, newState }: PreviewStep): Resource | undefined {
  const [, , types = "", name = ""] = urn.split("::");
  const chain = types.split("$");
  const type = chain.at(-1) ?? "";
  const parent = chain.at(-2) ?? "";
  const fits = (pattern: RegExp | undefined, text: string): boolean => pattern === undefined || pattern.test(text);
  const role =
    roles.find((each) => each.type.test(type) && fits(each.parent, parent) && fits(each.name, name))?.role ?? "other";
  return role === "hidden" ? undefined : { role, title: titleOf(role, name, type, newState ?? oldState) };
}

function titleOf(role: Role, name: string, type: string, state: State | undefined): string {
  const inputs = state?.inputs ?? {};
  switch (role) {
    case "image":
      return `image ${typeof inputs["name"] === "string" ? inputs["name"] : name}`;
    case "environment":
      return `environment ${jobArgument(inputs, "--key") ?? jobTarget(inputs, "envs/") ?? name}`;
    case "model":
      return `model ${snapshotOf(inputs) ?? name}`;
    case "server":
      return `server ${name}`;
    case "stop-old":
      return `stop of the old servers (${name})`;
    case "gateway":
      return `gateway of the service ${labelOf(inputs, "io.archon.service") ?? name}`;
    case "collection":
      return "what no kept release needs";
    case "store":
      return "directories of the store";
    case "token":
      return "API token";
    case "network":
      return "network of the containers";
    case "other":
      return `${name} (${type})`;
  }
}

/** `repo@commit`, the commit shortened. */
function snapshotOf(inputs: Readonly<Record<string, unknown>>): string | undefined {
  const repo = jobArgument(inputs, "--repo");
  const revision = jobArgument(inputs, "--revision");
  const model = repo !== undefined && revision !== undefined ? `${repo}@${revision}` : jobTarget(inputs, "models/");
  return model?.replace(/(@[0-9a-f]{12})[0-9a-f]*$/, "$1");
}

const job = z.object({ environment: z.record(z.string(), z.unknown()) });

/** What a store job works on; empty when its inputs cannot be read. */
function jobOf(inputs: Readonly<Record<string, unknown>>): JobInputs {
  return readJobInputs(job.safeParse(inputs).data?.environment ?? {});
}

/** The arguments of the store tool, its subcommand first; none when they cannot be read. */
export function jobArguments(inputs: Readonly<Record<string, unknown>>): string[] {
  return jobOf(inputs).command;
}

/** The value of an option of a store job. */
export function jobArgument(inputs: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const args = jobArguments(inputs);
  const index = args.indexOf(name);
  return index === -1 ? undefined : args[index + 1];
}

/** The path below a directory of the store that a store job works on. */
function jobTarget(inputs: Readonly<Record<string, unknown>>, directory: string): string | undefined {
  return jobArguments(inputs)
    .find((each) => each.startsWith(directory))
    ?.slice(directory.length);
}

/** The directory of the checkout that a store job reads, if it reads one. */
export function jobDirectory(inputs: Readonly<Record<string, unknown>>): string | undefined {
  return jobOf(inputs).directory;
}

const labelled = z.object({ labels: z.array(z.object({ label: z.string(), value: z.string() })) });

/** The labels of a container or network by name; none when they cannot be read. */
export function labelsOf(inputs: Readonly<Record<string, unknown>>): Map<string, string> {
  return new Map((labelled.safeParse(inputs).data?.labels ?? []).map(({ label, value }) => [label, value]));
}

/** The value of a label of a container or network. */
export function labelOf(inputs: Readonly<Record<string, unknown>>, label: string): string | undefined {
  return labelsOf(inputs).get(label);
}

const configured = z.object({ envs: z.array(z.string()) });

/** The environment variables of a container; undefined if one is secret, because Pulumi then hides all of them. */
export function variablesOf(inputs: Readonly<Record<string, unknown>>): Map<string, string> | undefined {
  const envs = configured.safeParse(inputs).data?.envs;
  return envs && new Map(envs.map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]));
}
