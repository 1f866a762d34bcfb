import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { ArchonServer, type ServerArgs } from "./archon-server";
import { Gateway } from "./gateway";
import { STRICT_SHELL } from "./one-shot";
import { DESTROY_GRACE_SECONDS } from "./shared/containers";
import type { Host } from "./shared/host";

export interface ServiceArgs extends Omit<ServerArgs, "alias" | "stopped"> {
  /** Servers behind the gateway, 1 to 4. */
  replicas: number;
  /** Reference of the gateway image. */
  gatewayImage: pulumi.Input<string>;
  /** Address and port on the host. */
  bind: string;
  port: number;
  /** With `rollout: "replace"`, whether the old server is started again when the new one does not get ready. */
  autoRollback: boolean;
}

/** What answers on one port of the host: servers of one release, and the gateway that finds them by their alias. */
export class Service extends pulumi.ComponentResource {
  /** Where it answers, such as `http://127.0.0.1:8181`. */
  readonly url: string;
  /** Ids of the server containers. */
  readonly containerIds: pulumi.Output<string>[];

  constructor(name: string, args: ServiceArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Service", name, {}, opts);
    const { replicas, gatewayImage, bind, port, autoRollback, ...server } = args;
    const alias = `archon-${args.service}`;
    const room = args.rollout === "replace" ? makeRoom(`${name}-room`, server, this) : undefined;
    const servers = Array.from({ length: replicas }, (_, index) => new ArchonServer(`${name}-${index}`, {
      ...server,
      alias,
      stopped: room !== undefined && autoRollback ? room.stdout : "",
    }, { parent: this, dependsOn: room ?? [] }));
    const ids = servers.map((each) => each.containerId);
    new command.local.Command(`${name}-drain`, {
      create: "components/scripts/drain.sh",
      interpreter: STRICT_SHELL,
      addPreviousOutputInEnv: false,
      environment: { ...serversOf("DRAIN", args.host, args.service), DRAIN_KEEP: pulumi.all(ids).apply((all) => all.join("\n")) },
      triggers: ids,
    }, { parent: this, dependsOn: servers });
    const gateway = new Gateway(`${name}-gateway`, { service: args.service, image: gatewayImage, network: args.network, alias, bind, port }, { parent: this, dependsOn: servers });

    this.url = gateway.url;
    this.containerIds = ids;
    this.registerOutputs({ url: this.url, containerIds: this.containerIds });
  }
}

/**
 * Stops the old servers before new ones start, whenever something replaces them. The old containers stay until the update has
 * succeeded, so that they can be started again.
 */
function makeRoom(name: string, server: Omit<ServerArgs, "alias" | "stopped">, parent: pulumi.Resource): command.local.Command {
  const { host, service, image, environmentPath, variables, memoryMiB, readyTimeout } = server;
  return new command.local.Command(name, {
    create: "components/scripts/make-room.sh",
    interpreter: STRICT_SHELL,
    addPreviousOutputInEnv: false,
    environment: serversOf("ROOM", host, service),
    triggers: [pulumi.jsonStringify({ image, environmentPath, variables, memoryMiB, readyTimeout })],
  }, { parent });
}

/** What a script needs to find the servers of a service and to stop them. */
function serversOf(prefix: string, { dockerHost }: Host, service: string): Record<string, string> {
  return {
    DOCKER_HOST: dockerHost,
    [`${prefix}_PROJECT`]: pulumi.getProject(),
    [`${prefix}_STACK`]: pulumi.getStack(),
    [`${prefix}_SERVICE`]: service,
    [`${prefix}_GRACE`]: String(DESTROY_GRACE_SECONDS),
  };
}
