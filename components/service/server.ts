import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { snapshotOf, type Release } from "../../release/release";
import { STRICT_SHELL } from "../store/store-job";
import {
  APPLICATION_USER,
  CA_BUNDLE,
  DESTROY_GRACE_SECONDS,
  goDuration,
  hardened,
  labels,
  memoryLimit,
  REPLACE_ON_CHANGES,
  SERVER_PORT,
  type ReservedVariable,
} from "../containers";
import type { Host } from "../../lib/host";

export interface ServerArgs {
  host: Host;
  service: string;
  /** What it runs. Another one replaces the container. */
  release: Release;
  /** Reference of the server image. A changed one replaces the container. */
  image: pulumi.Input<string>;
  /** Name of the network, and the alias that the gateway looks for. */
  network: pulumi.Input<string>;
  alias: string;
  /** Directory of the environment on the host; mounted read-only. Another one replaces the container. */
  environmentPath: string;
  /** Directory on the host that the service writes its database to; the only read-write mount. */
  dataDirectory: string;
  /** Environment variables. May hold secrets. */
  variables: Readonly<Record<string, pulumi.Input<string>>>;
  memoryMiB: number;
  /** Seconds that a new server may take until it is ready. A changed one replaces the container. */
  readyTimeout: number;
  /** Id of the release that ran before, for the message of a failing one. */
  previousRelease: string | undefined;
  /** The job that made the environment: when that is done again, its directory is another one, which only a new container mounts. */
  environmentJob: pulumi.Resource;
  /** The job that stops the old servers first, and says which; none where they run on until this one is ready. */
  room: command.local.Command | undefined;
  /** Whether the servers that `room` stopped are started again when this one does not get ready. */
  autoRollback: boolean;
}

/**
 * One server container and the gate that waits for it. A new one is made and ready before the old one goes, so it has neither a
 * fixed name nor a port of the host. One that does not get ready fails the update, and the old one serves on.
 */
export class ArchonServer extends pulumi.ComponentResource {
  readonly containerId: pulumi.Output<string>;

  constructor(name: string, args: ServerArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:ArchonServer", name, {}, opts);
    const container = new docker.Container(name, containerArgs(args), {
      parent: this,
      deleteBeforeReplace: false,
      replaceOnChanges: REPLACE_ON_CHANGES,
      replaceWith: [args.environmentJob, ...(args.room === undefined ? [] : [args.room])],
    });

    new command.local.Command(
      `${name}-ready`,
      {
        create: "components/scripts/readiness-gate.sh",
        interpreter: STRICT_SHELL,
        addPreviousOutputInEnv: false,
        environment: {
          ...serversOf(args.host, args.service),
          GATE_CONTAINER: container.id,
          GATE_TIMEOUT: String(args.readyTimeout),
          GATE_ROLLOUT: args.room === undefined ? "overlap" : "replace",
          GATE_STOPPED: args.room !== undefined && args.autoRollback ? args.room.stdout : "",
          GATE_BACK: args.previousRelease ?? "",
        },
        triggers: [container.id],
      },
      { parent: this },
    );

    this.containerId = container.id;
    this.registerOutputs({ containerId: this.containerId });
  }
}

/** What a server's container is made from. */
export function containerArgs(args: Omit<ServerArgs, "room" | "autoRollback">): docker.ContainerArgs {
  const { host } = args;
  const certificates = host.caBundle === undefined ? [] : [{ source: host.caBundle, target: CA_BUNDLE }];
  const trust = host.caBundle === undefined ? {} : { SSL_CERT_FILE: CA_BUNDLE, REQUESTS_CA_BUNDLE: CA_BUNDLE };
  return {
    ...hardened,
    image: args.image,
    user: APPLICATION_USER,
    init: true,
    networksAdvanced: [{ name: args.network, aliases: [args.alias] }],
    mounts: [
      { type: "bind", source: args.environmentPath, target: "/root/.local", readOnly: true },
      { type: "bind", source: `${host.root}/models/huggingface`, target: "/root/.cache/huggingface", readOnly: true },
      { type: "bind", source: args.dataDirectory, target: "/data" },
      ...certificates.map((mount) => ({ type: "bind", readOnly: true, ...mount })),
    ],
    envs: pulumi.all({ ...args.variables, ...trust }).apply((variables) =>
      Object.entries(variables)
        .map(([key, value]) => `${key}=${value}`)
        .sort(),
    ),
    labels: labels("server", {
      service: args.service,
      release: args.release.id,
      models: args.release.models.map(snapshotOf).join(" "),
    }),
    // Until then an unhealthy answer is one of a server that is still starting; the gate gives up at the same moment.
    healthcheck: {
      tests: ["CMD", "python3", "-m", "archon_server.healthcheck"],
      interval: "2s",
      timeout: "5s",
      retries: 3,
      startPeriod: goDuration(args.readyTimeout),
    },
    destroyGraceSeconds: DESTROY_GRACE_SECONDS,
    ...memoryLimit(args.memoryMiB),
  };
}

/** Variables that every server gets; the image's own settings are not repeated here. */
export function serverVariables(release: Release, service: string): Partial<Record<ReservedVariable, string>> {
  return {
    ARCHON_RELEASE: release.id,
    ARCHON_SERVICE: service,
    ARCHON_ENVIRONMENT_KEY: release.environment,
    ARCHON_MODELS: JSON.stringify(release.models),
    ARCHON_ACTIVE_MODEL: release.activeModel ?? "",
    ARCHON_DATA_DIR: "/data",
    HF_HUB_OFFLINE: "1",
    PORT: String(SERVER_PORT),
  };
}

/** What a script needs to find the servers of a service, to stop and to start them. */
export function serversOf({ dockerHost }: Host, service: string): Record<string, string> {
  return {
    DOCKER_HOST: dockerHost,
    SERVERS_PROJECT: pulumi.getProject(),
    SERVERS_STACK: pulumi.getStack(),
    SERVERS_SERVICE: service,
    SERVERS_GRACE: String(DESTROY_GRACE_SECONDS),
  };
}
