import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { ArchonServer, type ServerArgs } from "./archon-server";
import { Gateway } from "./gateway";
import { STRICT_SHELL } from "./one-shot";
import { DESTROY_GRACE_SECONDS } from "./shared/containers";

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
    const gateway = new Gateway(`${name}-gateway`, { service: args.service, image: gatewayImage, network: args.network, alias, bind, port }, { parent: this, dependsOn: servers });

    this.url = gateway.url;
    this.containerIds = servers.map((each) => each.containerId);
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
    environment: {
      DOCKER_HOST: host.dockerHost,
      ROOM_PROJECT: pulumi.getProject(),
      ROOM_STACK: pulumi.getStack(),
      ROOM_SERVICE: service,
      ROOM_GRACE: String(DESTROY_GRACE_SECONDS),
    },
    triggers: [pulumi.jsonStringify({ image, environmentPath, variables, memoryMiB, readyTimeout })],
  }, { parent });
}

