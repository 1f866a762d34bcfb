import { z } from "zod";
import { archon } from "../../lib/command-line";
import type { Mount } from "../../lib/container-job";
import { stackFlag } from "../lib/options";
import { selinuxCommand } from "../setup/engine-check";
import { isMissingMount } from "../store/engine-usage";
import type { Inspected } from "./containers";
import { ok, problem, type Finding } from "./finding";
import { runProbe } from "../lib/probe";
import type { Subject } from "./subject";

const accessSchema = z.object({ read: z.array(z.string()), write: z.array(z.string()) });

export type Access = z.infer<typeof accessSchema>;

/** What the container of a server has mounted, as `docker inspect` says. */
export type ServerMounts = Inspected["Mounts"];

/** A service, and what one of its servers has mounted. */
export interface MountingService {
  name: string;
  /** User and group of its servers, `<uid>:<gid>`. */
  user: string;
  mounts: ServerMounts;
}

/** Where the probe finds the mount of this position: what a server only reads is elsewhere than what it writes. */
function probePath(mount: ServerMounts[number], index: number): string {
  return `/${mount.RW ? "write" : "read"}/${index}`;
}

/** The mounts of a server, as the probe gets them. */
export function probeMounts(mounts: ServerMounts): Mount[] {
  return mounts.map((mount, index) => ({
    source: mount.Source,
    target: probePath(mount, index),
    writable: mount.RW,
  }));
}

/**
 * Whether the servers of a service may read what they have mounted, and write their data: tried as their user, in a
 * container as confined as their own.
 * @param selinux whether the engine confines containers with SELinux
 */
export async function checkPermissions(
  subject: Subject,
  image: string,
  service: MountingService,
  selinux: boolean,
): Promise<Finding[]> {
  const { user, mounts } = service;
  try {
    const access = await runProbe(
      { image, dockerHost: subject.host.dockerHost },
      { program: "doctor/probes/access.py", options: { user, mounts: probeMounts(mounts) }, schema: accessSchema },
    );
    return judgeAccess(subject, access, service, selinux);
  } catch (error) {
    if (isMissingMount(error)) {
      return [missingMount((error as Error).message, service.name, subject.stack)];
    }
    throw error;
  }
}

/** A directory that the servers of a service have mounted, and that is gone. */
function missingMount(message: string, service: string, stack: string): Finding {
  const [, directory = "a directory of the store"] = /bind source path does not exist: (\S+?)\.?$/m.exec(message) ?? [];
  return problem(
    "permissions",
    `${directory} does not exist, but the service ${service} has it mounted`,
    `put it back, or ${archon(`pulumi up --refresh${stackFlag(stack)}`)}`,
  );
}

export function judgeAccess(
  { stack, root }: Pick<Subject, "stack" | "root">,
  { read, write }: Access,
  { name, user, mounts }: MountingService,
  selinux: boolean,
): Finding[] {
  const onHost = (path: string): string => {
    const index = mounts.findIndex((mount, position) => `${path}/`.startsWith(`${probePath(mount, position)}/`));
    const mount = mounts[index];
    return mount === undefined ? path : mount.Source + path.slice(probePath(mount, index).length);
  };
  const label = selinux ? [`if it is SELinux that denies it: ${selinuxCommand(root)}`] : [];
  const denied = (verb: string, paths: readonly string[], remedy: string): Finding[] =>
    paths.length === 0
      ? []
      : [
          problem(
            "permissions",
            `the service ${name} (user ${user}) cannot ${verb} ${paths.map(onHost).join(", ")}`,
            [remedy, ...label].join("\n"),
          ),
        ];
  const data = mounts.filter(({ RW }) => RW).map(({ Source }) => Source);
  const findings = [
    ...denied("read", read, archon(`verify --full --repair${stackFlag(stack)}`)),
    ...denied("write", write, `sudo chown -R ${user} ${data.join(" ")} && sudo chmod -R u+rwX ${data.join(" ")}`),
  ];
  return findings.length > 0
    ? findings
    : [ok("permissions", `the service ${name} (user ${user}) reads and writes what it has mounted`)];
}
