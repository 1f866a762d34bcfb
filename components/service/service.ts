import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { TlsFiles } from "../../config/schema";
import { STRICT_SHELL } from "../store/store-job";
import { Server, containerArgs, serverScriptEnv, type ServerArgs } from "./server";
import { Gateway } from "./gateway";

export interface ServiceArgs extends Omit<ServerArgs, "alias" | "gateway" | "stopOld"> {
  /** Names by which other containers of the network reach the service, through its gateway. */
  aliases: readonly string[];
  /** The names of all gateways of the network. */
  gatewayNames: readonly string[];
  /** Servers behind the gateway, 1 to 4. */
  replicas: number;
  /** Reference of the gateway image. */
  gatewayImage: pulumi.Input<string>;
  /** Address and port on the host. */
  bind: string;
  port: number;
  /** Files on the host to serve TLS with; undefined for plain HTTP. */
  tls: TlsFiles | undefined;
  /** Whether the old servers keep running until the new ones are ready, or are stopped first. */
  rollout: "overlap" | "replace";
}

/** What answers on one port of the host: servers of one release, and the gateway that finds them by their alias. */
export class Service extends pulumi.ComponentResource {
  /** Where it answers, such as `http://127.0.0.1:8181`. */
  readonly url: string;
  /** Its name in the configuration. */
  readonly service: string;
  /** Ids of the server containers. */
  readonly containerIds: pulumi.Output<string>[];

  constructor(name: string, args: ServiceArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Service", name, {}, opts);
    const { replicas, gatewayImage, bind, port, tls, rollout, aliases, gatewayNames, ...rest } = args;
    const alias = serversAlias(args.service, gatewayNames);
    const gateway = new Gateway(
      `${name}-gateway`,
      {
        deployment: args.deployment,
        service: args.service,
        image: gatewayImage,
        network: args.network,
        alias,
        ownAliases: aliases,
        serverPort: args.application.port,
        health: args.application.readiness,
        bind,
        port,
        tls,
        limitsSwap: args.limitsSwap,
      },
      { parent: this },
    );
    const server = { ...rest, alias, gateway };
    const stopOld = rollout === "replace" ? stopOldServers(`${name}-room`, server, this) : undefined;
    const servers = Array.from(
      { length: replicas },
      (_, index) => new Server(`${name}-${index}`, { ...server, stopOld }, { parent: this, dependsOn: stopOld ?? [] }),
    );
    const ids = servers.map((each) => each.containerId);
    new command.local.Command(
      `${name}-drain`,
      {
        create: "components/scripts/drain.sh",
        interpreter: STRICT_SHELL,
        addPreviousOutputInEnv: false,
        environment: {
          ...serverScriptEnv(args),
          DRAIN_KEEP: pulumi.all(ids).apply((all) => all.join("\n")),
        },
        triggers: ids,
      },
      { parent: this, dependsOn: servers },
    );

    this.url = gateway.url;
    this.service = args.service;
    this.containerIds = ids;
    this.registerOutputs({ url: this.url, containerIds: this.containerIds });
  }
}

/** The name of a gateway leads to no server: one that is not ready would get requests. */
function serversAlias(service: string, gatewayNames: readonly string[]): string {
  const alias = `archon-${service}`;
  return gatewayNames.includes(alias) ? `${alias}-servers` : alias;
}

/**
 * Stops the old servers before new ones start. It runs again with every change of what a server's container is made
 * from, and the container is replaced with it: a stopped server must not stay stopped. The old containers stay until
 * the update has succeeded, so that they can start again. The name of the resource, `…-room`, is stable.
 */
function stopOldServers(
  name: string,
  server: Omit<ServerArgs, "stopOld">,
  parent: pulumi.Resource,
): command.local.Command {
  return new command.local.Command(
    name,
    {
      create: "components/scripts/stop-old-servers.sh",
      interpreter: STRICT_SHELL,
      addPreviousOutputInEnv: false,
      environment: serverScriptEnv(server),
      triggers: [pulumi.jsonStringify(containerArgs(server))],
    },
    { parent, replaceWith: [server.store?.environment.job ?? []].flat() },
  );
}
