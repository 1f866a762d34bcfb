import { z } from "zod";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { gpuInfoSchema } from "../../lib/gpu";
import { dockerEnvironment } from "../lib/docker";
import { stackFlag } from "../lib/options";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";

/** Seconds that an engine gets to describe itself. */
const infoSeconds = 10;

/** Parameters with which a kernel limits the memory of containers. */
export const MEMORY_PARAMETERS = "cgroup_enable=memory swapaccount=1";

/** What `docker info` says that decides whether a stack can run on an engine. */
const infoSchema = z.object({
  /** Such as `name=seccomp,profile=builtin`. An engine without any says null. */
  SecurityOptions: z
    .array(z.string())
    .nullish()
    .transform((options) => options ?? []),
  /** Whether the kernel can limit the memory of a container. */
  MemoryLimit: z.boolean(),
  ...gpuInfoSchema.shape,
});

export type EngineInfo = z.infer<typeof infoSchema>;

export function parseEngineInfo(json: string): EngineInfo {
  return infoSchema.parse(JSON.parse(json));
}

/** Where a stack is to run. */
export interface EngineTarget {
  stack: string;
  dockerHost: string;
  /** Directory of the store on the engine's host. */
  root: string;
}

/**
 * Checks whether a stack can run on an engine, and says what a person has to do first.
 * @throws UserError when it cannot
 */
export async function checkEngine(target: EngineTarget, progress: Progress): Promise<void> {
  judgeEngine(await engineInfo(target.dockerHost), target).forEach((notice) => progress.message(notice));
}

/** What an engine says of itself. @throws CommandError when it does not answer */
export async function engineInfo(dockerHost: string): Promise<EngineInfo> {
  const json = await run("docker", ["info", "--format", "{{json .}}"], {
    environment: dockerEnvironment(dockerHost),
    timeoutSeconds: infoSeconds,
  });
  return parseEngineInfo(json);
}

/** Whether an engine confines containers with SELinux. */
export function hasSelinux(info: EngineInfo): boolean {
  return hasSecurityOption(info, "selinux");
}

/** The command on the engine's host that lets containers use a store there. */
export function selinuxCommand(root: string): string {
  return `sudo mkdir -p ${root} && sudo semanage fcontext -a -t container_file_t '${root}(/.*)?' && sudo restorecon -R ${root}`;
}

function hasSecurityOption({ SecurityOptions }: EngineInfo, name: string): boolean {
  return SecurityOptions.some((option) => option.split(",")[0] === `name=${name}`);
}

/**
 * What a person must do on the engine's host before a stack can run there.
 * @throws UserError when it cannot run there at all
 */
export function judgeEngine(info: EngineInfo, { stack, dockerHost, root }: EngineTarget): string[] {
  if (hasSecurityOption(info, "rootless")) {
    throw new UserError(
      `The Docker engine at ${dockerHost} runs rootless, which is not supported: the store has files of several users, ` +
        "and such an engine can neither make its directory nor be sure to limit memory.\n" +
        "Start an engine as root (on Debian and Ubuntu `sudo apt-get install docker.io`) and name it: " +
        `\`${archon(`pulumi config set archon:dockerHost unix:///var/run/docker.sock${stackFlag(stack)}`)}\`.`,
    );
  }
  return [
    ...(hasSelinux(info)
      ? [
          "This engine confines containers with SELinux, which denies them every file without the label of containers. " +
            "Label the store on the engine's host before the first update: " +
            `${selinuxCommand(root)}. ` +
            "Directories that archon:wheelhouse, archon:caBundle and tls of archon:services name need the label too.",
        ]
      : []),
    ...(info.MemoryLimit
      ? []
      : [
          "The kernel of this engine cannot limit memory, so archon:services' memoryMiB has no effect. " +
            `Start it with the parameters ${MEMORY_PARAMETERS}.`,
        ]),
  ];
}
