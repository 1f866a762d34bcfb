import { z } from "zod";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { dockerEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";

/** Seconds that an engine gets to describe itself. */
const infoSeconds = 10;

/** What `docker info` says that decides whether a stack can run on an engine. */
const infoSchema = z.object({
  /** Such as `name=seccomp,profile=builtin`. An engine without any says null. */
  SecurityOptions: z
    .array(z.string())
    .nullish()
    .transform((options) => options ?? []),
  /** Whether the kernel can limit the memory of a container. */
  MemoryLimit: z.boolean(),
});

export type EngineInfo = z.infer<typeof infoSchema>;

export function parseEngineInfo(json: string): EngineInfo {
  return infoSchema.parse(JSON.parse(json));
}

/**
 * Checks whether a stack can run on an engine, and says what a person has to do first.
 * @param root directory of the store on the engine's host
 * @throws UserError when it cannot
 */
export async function checkEngine(dockerHost: string, root: string, progress: Progress): Promise<void> {
  const json = await run("docker", ["info", "--format", "{{json .}}"], {
    environment: dockerEnvironment(dockerHost),
    timeoutSeconds: infoSeconds,
  });
  judgeEngine(parseEngineInfo(json), dockerHost, root).forEach((notice) => progress.message(notice));
}

/**
 * What a person must do on the engine's host before a stack can run there.
 * @throws UserError when it cannot run there at all
 */
export function judgeEngine({ SecurityOptions, MemoryLimit }: EngineInfo, dockerHost: string, root: string): string[] {
  const has = (name: string): boolean => SecurityOptions.some((option) => option.split(",")[0] === `name=${name}`);
  if (has("rootless")) {
    throw new UserError(
      `The Docker engine at ${dockerHost} runs rootless, which is not supported: the store has files of several users, ` +
        "and such an engine can neither make its directory nor be sure to limit memory.\n" +
        "Start an engine as root (on Debian and Ubuntu `sudo apt-get install docker.io`) and name it: " +
        `\`${archon("pulumi config set archon:dockerHost unix:///var/run/docker.sock")}\`.`,
    );
  }
  return [
    ...(has("selinux")
      ? [
          "This engine confines containers with SELinux, which denies them every file without the label of containers. " +
            "Label the store on the engine's host before the first update: " +
            `sudo mkdir -p ${root} && sudo semanage fcontext -a -t container_file_t '${root}(/.*)?' && sudo restorecon -R ${root}. ` +
            "Directories that archon:wheelhouse and archon:caBundle name need the label too.",
        ]
      : []),
    ...(MemoryLimit
      ? []
      : [
          "The kernel of this engine cannot limit memory, so archon:services' memoryMiB has no effect. " +
            "Start it with the parameters cgroup_enable=memory swapaccount=1.",
        ]),
  ];
}
