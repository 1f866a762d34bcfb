import { z } from "zod";
import type { Duration } from "./report";

const time = z.string().optional();

const exportedSchema = z.object({
  deployment: z
    .object({
      resources: z
        .array(z.object({ urn: z.string(), type: z.string(), parent: z.string().optional(), created: time }))
        .default([]),
    })
    .optional(),
});

type Resource = NonNullable<z.infer<typeof exportedSchema>["deployment"]>["resources"][number];

/** What Pulumi made in one step, by the type of the component around it and that of the resource in it. */
const steps = [
  { component: "archon:index:Image", type: "docker:index/remoteImage:RemoteImage", verb: "build" },
  { component: "archon:index:ModelSnapshot", type: "command:local:Command", verb: "fetch" },
];

/**
 * How long images took to build, models to fetch and servers to become ready when they were last made: the state records
 * when Pulumi began with a component and when it had made what is in it. What already existed takes no time.
 *
 * @param exported what `pulumi stack export` prints
 */
export function timesOfState(exported: string): Duration[] {
  const resources = exportedSchema.parse(JSON.parse(exported)).deployment?.resources ?? [];
  return [
    ...steps.flatMap(({ component, type, verb }) =>
      resources
        .filter((each) => each.type === component)
        .flatMap((parent) => {
          const child = resources.find((each) => each.parent === parent.urn && each.type === type);
          return between(`${verb} of ${nameOf(parent)}`, parent, child);
        }),
    ),
    ...resources
      .filter(({ urn }) => urn.endsWith(READY))
      .flatMap((gate) => {
        const name = nameOf(gate).slice(0, -READY.length);
        const server = resources.find((each) => each.type === CONTAINER && nameOf(each) === name);
        return between(`start of ${name} until it answered`, server, gate);
      }),
  ];
}

const CONTAINER = "docker:index/container:Container";
/** How the resource of a readiness gate ends. */
const READY = "-ready";

function between(what: string, from: Resource | undefined, to: Resource | undefined): Duration[] {
  const [start, end] = [Date.parse(from?.created ?? ""), Date.parse(to?.created ?? "")];
  return Number.isNaN(start) || Number.isNaN(end) || end < start || to?.created === undefined
    ? []
    : [{ what, seconds: (end - start) / 1000, ended: to.created }];
}

function nameOf({ urn }: Resource): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

const historySchema = z.array(
  z.object({
    kind: z.string(),
    startTime: z.string(),
    endTime: z.string().optional(),
    result: z.string(),
    config: z.record(z.string(), z.object({ value: z.string().optional() })).default({}),
    resourceChanges: z.record(z.string(), z.number()).nullish(),
  }),
);

/**
 * How long the last update that changed something took, and the last rollback: an update that the configuration pinned to
 * a release.
 *
 * @param history what `pulumi stack history --json` prints, the latest first
 * @param releaseKey the key by which a stack is pinned to a release
 */
export function timesOfHistory(history: string, releaseKey: string): Duration[] {
  const updates = historySchema.parse(JSON.parse(history)).filter(({ kind, result, endTime, resourceChanges }) => {
    const changed = Object.entries(resourceChanges ?? {}).some(([op, count]) => op !== "same" && count > 0);
    return kind === "update" && result === "succeeded" && endTime !== undefined && changed;
  });
  const pinned = ({ config }: (typeof updates)[number]): boolean => (config[releaseKey]?.value ?? "") !== "";
  return [
    { what: "last update", found: updates.find((each) => !pinned(each)) },
    { what: "last rollback", found: updates.find(pinned) },
  ].flatMap(({ what, found }) => {
    const seconds = (Date.parse(found?.endTime ?? "") - Date.parse(found?.startTime ?? "")) / 1000;
    return Number.isNaN(seconds) ? [] : [{ what, seconds, ended: new Date(found?.endTime ?? "").toISOString() }];
  });
}
