import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { GATEWAY_TLS_PORT, type TlsFiles } from "../../config/schema";
import type { DeploymentIdentity } from "../../lib/deployment-identity";
import { COMPLETED_BY_ENGINE, hardened, labels, memoryLimit, REPLACE_ON_CHANGES } from "../containers";
import { GATEWAY_USER, tlsMounts, tlsPaths } from "./tls";

/** Port for plain HTTP inside the container, which other containers may ask too. */
const HTTP_PORT = 8080;

export interface GatewayArgs {
  deployment: DeploymentIdentity;
  service: string;
  /** Reference of the gateway image. A changed one replaces the gateway, and the port is closed for a second. */
  image: pulumi.Input<string>;
  network: pulumi.Input<string>;
  /** Network alias of the servers behind it. */
  alias: string;
  /** Its own network aliases, by which other containers reach the service at the port of the servers. */
  ownAliases: readonly string[];
  /** Port that the servers listen on. */
  serverPort: number;
  /** The path that says whether a server is ready, unless a connection does, and the seconds that its answer may take. */
  health: { path: string; timeoutSeconds: number; connectOnly?: boolean };
  /** Address and port on the host. A changed one replaces the gateway. */
  bind: string;
  port: number;
  /** Files on the host to serve TLS with; undefined for plain HTTP. Other paths replace the gateway, other files do not. */
  tls: TlsFiles | undefined;
  /** Whether the engine limits swap. */
  limitsSwap: boolean;
}

/**
 * The container that owns a service's port. It routes to the servers that are ready, and stays when their release
 * changes. It needs none of them to start: without any it answers 503. It has no Docker health check, which would start a
 * program every few seconds: the readiness gate of each update and the doctor send requests through it.
 */
export class Gateway extends pulumi.ComponentResource {
  /** The files that it serves TLS with. */
  readonly tls: TlsFiles | undefined;
  /** Where the service answers, such as `http://127.0.0.1:8181`. */
  readonly url: string;
  /** Reference of its image. */
  readonly image: pulumi.Input<string>;
  readonly containerId: pulumi.Output<string>;

  constructor(name: string, args: GatewayArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Gateway", name, {}, opts);
    const container = new docker.Container(
      name,
      {
        ...hardened,
        tmpfs: { "/tmp": "rw,nosuid,nodev,size=256m" },
        image: args.image,
        user: GATEWAY_USER,
        networksAdvanced: [
          { name: args.network, ...(args.ownAliases.length === 0 ? {} : { aliases: [...args.ownAliases] }) },
        ],
        ports: [
          { internal: args.tls === undefined ? HTTP_PORT : GATEWAY_TLS_PORT, external: args.port, ip: args.bind },
        ],
        envs: [
          `ARCHON_ALIAS=${args.alias}`,
          `ARCHON_HEALTH_PATH=${args.health.path}`,
          `ARCHON_HEALTH_TIMEOUT=${args.health.timeoutSeconds}s`,
          `ARCHON_SERVER_PORT=${args.serverPort}`,
          ...(args.tls === undefined ? [] : [`ARCHON_TLS=${tlsPaths(args.tls).certificate}`]),
          ...(args.health.connectOnly === true ? ["ARCHON_HEALTH_CHECK=connect"] : []),
        ],
        ...(args.tls === undefined ? {} : tlsArgs(args.tls)),
        labels: labels(args.deployment, "gateway", { service: args.service }),
        destroyGraceSeconds: 10,
        ...memoryLimit(128, args.limitsSwap),
      },
      {
        parent: this,
        deleteBeforeReplace: true,
        replaceOnChanges: REPLACE_ON_CHANGES,
        // Changed labels would replace a gateway that was made before deployments had an id, and close the port.
        ignoreChanges: ["labels", ...COMPLETED_BY_ENGINE],
      },
    );
    this.tls = args.tls;
    this.url = gatewayUrl(args.bind, args.port, args.tls === undefined ? "http" : "https");
    this.image = args.image;
    this.containerId = container.id;
    this.registerOutputs({ url: this.url });
  }
}

/** Loopback, by the address that stands for all addresses of the host. */
const loopbackOf: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** What a gateway with TLS has in addition: its files, and the program that starts HAProxy with them. */
function tlsArgs(tls: TlsFiles): Pick<docker.ContainerArgs, "mounts" | "command"> {
  const { certificate, key } = tlsPaths(tls);
  return {
    mounts: tlsMounts(tls).map((mount) => ({ type: "bind", readOnly: true, ...mount })),
    command: ["python3", "/usr/local/lib/gateway/tls.py", "serve", certificate, key],
  };
}

/** URL for a client on the host: a gateway that listens on every address answers on loopback too. */
export function gatewayUrl(bind: string, port: number, scheme: "http" | "https"): string {
  const address = loopbackOf[bind] ?? bind;
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`;
}
