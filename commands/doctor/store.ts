import { z } from "zod";
import { project } from "../../config/stack";
import { archon } from "../../lib/command-line";
import {
  claimPath,
  ownerOf,
  parseClaim,
  type Claim,
  type Labelled,
  type Ownership,
} from "../../lib/deployment-identity";
import { stackFlag } from "../lib/options";
import { silent } from "../lib/progress";
import { age } from "../lib/render";
import { CommandError } from "../lib/run";
import { isMissingMount } from "../store/engine-usage";
import { parseInventory } from "../store/report";
import { runStoreTool, STORE_TOOL_ERROR, storeToolMessage } from "../store/store-tool";
import type { EnvironmentSize } from "./disk";
import { ok, problem, skipped, warning, type Finding } from "./finding";
import { runProbe } from "../lib/probe";
import type { Subject } from "./subject";

const disk = z.object({ free: z.number(), total: z.number(), freeFiles: z.number().nullable() });

const surveySchema = z.object({
  store: disk,
  engine: disk,
  staging: z.array(z.object({ name: z.string(), seconds: z.number(), busy: z.boolean() })),
  claim: z.string(),
});

export type Survey = z.infer<typeof surveySchema>;

/** The disks of a store, its staging directory and the claim on the stack's name. @returns undefined if there is no store */
export async function survey({ stack, host, root }: Subject, image: string): Promise<Survey | undefined> {
  try {
    return await runProbe(
      { image, dockerHost: host.dockerHost },
      {
        program: "doctor/probes/store.py",
        args: [claimPath({ project, stack })],
        // The owner of the store's directory may be any user of the host.
        options: { capabilities: ["DAC_READ_SEARCH"], mounts: [{ source: root, target: "/store" }] },
        schema: surveySchema,
      },
    );
  } catch (error) {
    if (isMissingMount(error)) {
      return undefined;
    }
    throw error;
  }
}

/** A store whose directory does not exist. @param running the release that needs it, if one runs */
export function missingStore({ stack, root }: Subject, running: string | undefined): Finding {
  return running === undefined
    ? skipped("store", `there is no store at ${root} yet: the first update makes it`)
    : problem(
        "store",
        `the store ${root} does not exist, but the release ${running} runs from it`,
        `put it back; without a copy: ${archon(`pulumi destroy${stackFlag(stack)}`)}, then ${archon(`pulumi up${stackFlag(stack)}`)}`,
      );
}

const verified = z.object({
  targets: z.array(
    z.object({
      target: z.string(),
      files: z.number(),
      bytes: z.number(),
      ok: z.boolean(),
      damaged: z.array(z.object({ path: z.string(), reason: z.string() })),
      missing: z.array(z.string()),
      added: z.array(z.string()),
    }),
  ),
});

export type Verified = z.infer<typeof verified>;

/** How many damaged files a finding names. */
const shownFiles = 3;

/** Compares the store with its manifests: names, sizes and modes. */
export async function verifyStore({ stack, root }: Subject, image: string): Promise<Verified> {
  const stdout = await runStoreTool(stack, { root, command: ["verify", "--json"] }, image, silent).catch(
    (error: unknown) => {
      // The tool exits with another code when it has found damage, and prints the same document.
      if (error instanceof CommandError && error.stdout.trimStart().startsWith("{")) {
        return error.stdout;
      }
      throw error;
    },
  );
  return verified.parse(JSON.parse(stdout));
}

/** The environment with the most bytes; undefined in a store without any. */
export function largestEnvironment({ targets }: Verified): EnvironmentSize | undefined {
  const environments = targets.filter(({ target }) => target.startsWith("envs/"));
  return environments.sort((a, b) => b.bytes - a.bytes)[0];
}

export function judgeVerified({ targets }: Verified, stack: string): Finding[] {
  const broken = targets.filter((each) => !each.ok);
  if (broken.length === 0) {
    return [
      ok("content", `${targets.length} environments and models are as their manifests say (names, sizes, modes)`),
    ];
  }
  return broken.map(({ target, damaged, missing, added }) => {
    const files = [
      ...missing.map((path) => `${path} is missing`),
      ...damaged.map(({ path, reason }) => `${path}: ${reason}`),
      ...added.map((path) => `${path} was added`),
    ];
    const more = files.length > shownFiles ? `, and ${files.length - shownFiles} more` : "";
    return problem(
      "content",
      `${target} was changed: ${files.slice(0, shownFiles).join(", ")}${more}`,
      archon(`verify --full --repair${stackFlag(stack)}`),
    );
  });
}

/** What the store holds, or what keeps the store tool from saying so: damaged GC roots, or a directory that is no store. */
export async function checkInventory({ stack, root }: Subject, image: string): Promise<Finding> {
  try {
    const listed = await runStoreTool(stack, { root, command: ["list", "--json"] }, image, silent);
    const { environments, models } = parseInventory(listed);
    return ok("store", `${environments.length} environments and ${models.length} models at ${root}`);
  } catch (error) {
    const lines = error instanceof CommandError ? error.lastLines : [];
    if (!lines.some((line) => line.startsWith(STORE_TOOL_ERROR))) {
      throw error;
    }
    return unreadableStore(lines, { stack, root });
  }
}

/** @param lines the last ones that the store tool printed. It sees the store at /store. */
export function unreadableStore(lines: readonly string[], { stack, root }: Pick<Subject, "stack" | "root">): Finding {
  const reason = lines
    .map(storeToolMessage)
    .join(" ")
    .replace(/\/store(?=\/| )/g, root);
  const [roots] = /\S+\/refs\/\S+\.json(?= is damaged)/.exec(reason) ?? [];
  return problem(
    "store",
    reason,
    roots === undefined
      ? `put the store back; without a copy: ${archon(`pulumi destroy${stackFlag(stack)}`)}, then ${archon(`pulumi up${stackFlag(stack)}`)}`
      : `sudo mv ${roots} ${roots}.damaged, then ${archon(`pulumi up --stack ${stackOfRoots(roots)}`)}`,
  );
}

/** The stack whose GC roots a file holds: `dev` of `…/refs/archon-dev.json`. */
function stackOfRoots(file: string): string {
  return file
    .replace(/^.*\//, "")
    .replace(/\.json$/, "")
    .replace(`${project}-`, "");
}

/** What killed store jobs left, and what running ones have in the works. */
export function judgeStaging(staging: Survey["staging"], stack: string): Finding[] {
  const left = staging.filter(({ busy }) => !busy);
  if (left.length === 0) {
    const busy = staging.map(({ name }) => name).join(", ");
    return [ok("staging", busy === "" ? "no store job left anything half-made" : `store jobs are working on ${busy}`)];
  }
  const names = left.map(({ name, seconds }) => `${name} (${age(seconds * 1000)} old)`).join(", ");
  return [
    warning(
      "staging",
      `killed store jobs left half-made work: ${names}`,
      `${archon(`pulumi up${stackFlag(stack)}`)} continues it, ${archon(`prune${stackFlag(stack)}`)} removes it`,
    ),
  ];
}

/** Whether another deployment has the name of the stack, in the store or on the engine. */
export function judgeOthers(
  stack: string,
  { id }: Ownership,
  claim: Claim | undefined,
  foreign: readonly Labelled[],
): Finding {
  const remedy = `${archon(`recover --adopt${stackFlag(stack)}`)} takes it over, ${archon("pulumi stack init NAME")} makes a stack of another name`;
  if (foreign.length > 0) {
    const names = foreign.map(({ name }) => name).join(", ");
    return problem("other checkouts", `another deployment has this stack: ${ownerOf(foreign)} (${names})`, remedy);
  }
  return claim !== undefined && claim.id !== id
    ? problem("other checkouts", `the store belongs to another deployment of this stack: ${claim.owner}`, remedy)
    : ok("other checkouts", "no other deployment has a stack of this name");
}

/** The claim of a survey. */
export function claimOf({ claim }: Survey): Claim | undefined {
  return parseClaim(claim);
}
