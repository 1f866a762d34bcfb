import { z } from "zod";
import type { PreviewStep, State } from "./document";

/** What a resource is to this project. Everything that no other role fits is `other`, so that nothing changes unseen. */
export type Role = "image" | "environment" | "model" | "server" | "gateway" | "token" | "network" | "housekeeping" | "other";

export interface Resource {
  role: Role;
  /** Name in the program. */
  name: string;
  /** For people: `server image archon-server:5278e51e28e1fea2`. */
  title: string;
}

/** Roles of a resource by its own type and that of the component around it; the first that fits. */
const roles: readonly { parent?: RegExp; type: RegExp; role: Role }[] = [
  { type: /RemoteImage$/, role: "image" },
  { parent: /:Environment$/, type: /:Command$/, role: "environment" },
  { parent: /:ModelSnapshot$/, type: /:Command$/, role: "model" },
  { parent: /:ArchonServer$/, type: /:Container$/, role: "server" },
  { parent: /:Gateway$/, type: /:Container$/, role: "gateway" },
  { type: /:RandomPassword$/, role: "token" },
  { type: /:Network$/, role: "network" },
  { type: /:Command$/, role: "housekeeping" },
];

/** The stack, components and providers have no life outside the state. */
const bookkeeping = /^(pulumi:|archon:)/;

/** The gate only waits for the server that it belongs to. */
function isGate(parent: string, type: string): boolean {
  return /:ArchonServer$/.test(parent) && /:Command$/.test(type);
}

/** The resource of a step, or undefined for one that is no thing of its own. */
export function resourceOf({ urn, oldState, newState }: PreviewStep): Resource | undefined {
  const [, , types = "", name = ""] = urn.split("::");
  const chain = types.split("$");
  const type = chain.at(-1) ?? "";
  const parent = chain.at(-2) ?? "";
  if (bookkeeping.test(type) || isGate(parent, type)) {
    return undefined;
  }
  const role = roles.find((each) => each.type.test(type) && (each.parent === undefined || each.parent.test(parent)))?.role ?? "other";
  return { role, name, title: titleOf(role, name, type, newState ?? oldState) };
}

function titleOf(role: Role, name: string, type: string, state: State | undefined): string {
  const inputs = state?.inputs ?? {};
  switch (role) {
    case "image":
      return `image ${typeof inputs["name"] === "string" ? inputs["name"] : name}`;
    case "environment":
      return `environment ${jobArgument(inputs, "--key") ?? name}`;
    case "model":
      return `model ${[jobArgument(inputs, "--repo") ?? name, jobArgument(inputs, "--revision")?.slice(0, 12)].filter((part) => part !== undefined).join("@")}`;
    case "server":
      return `server ${name} of the service ${labelOf(inputs, "io.archon.service") ?? "?"}`;
    case "gateway":
      return `gateway of the service ${labelOf(inputs, "io.archon.service") ?? name}`;
    case "token":
      return "API token";
    case "network":
      return "network of the containers";
    case "housekeeping":
      return `${name} (a job for the store)`;
    case "other":
      return `${name} (${type})`;
  }
}

const job = z.object({ environment: z.object({ ONE_SHOT_ARGS: z.string().optional(), ONE_SHOT_DIRECTORY: z.string().optional() }) });

/** The value of an argument of a job for the store. */
export function jobArgument(inputs: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const args = job.safeParse(inputs).data?.environment.ONE_SHOT_ARGS?.split("\n") ?? [];
  const index = args.indexOf(name);
  return index === -1 ? undefined : args[index + 1];
}

/** The directory of the checkout that a job reads, if it reads one. */
export function jobDirectory(inputs: Readonly<Record<string, unknown>>): string | undefined {
  return job.safeParse(inputs).data?.environment.ONE_SHOT_DIRECTORY || undefined;
}

const labelled = z.object({ labels: z.array(z.object({ label: z.string(), value: z.string() })) });

/** The value of a label of a container. */
export function labelOf(inputs: Readonly<Record<string, unknown>>, label: string): string | undefined {
  return labelled.safeParse(inputs).data?.labels.find((each) => each.label === label)?.value;
}

const configured = z.object({ envs: z.array(z.string()) });

/** The environment variables of a container; undefined where one of them is secret, which makes all of them so. */
export function variablesOf(inputs: Readonly<Record<string, unknown>>): Map<string, string> | undefined {
  const envs = configured.safeParse(inputs).data?.envs;
  return envs && new Map(envs.map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]));
}
