import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hasRoles, snapshotOf, snapshotPath, type Release } from "../../release/release";
import { MOUNTS, type Mounts, type Role } from "../../applications/application";
import { CA_BUNDLE, jobOptions, toLines } from "../../lib/container-job";
import type { ServiceRole, TlsFiles } from "../../config/schema";
import { deploymentLabels, type DeploymentIdentity } from "../../lib/deployment-identity";
import { ALL_GPUS, type GpuRequest } from "../../lib/gpu";
import type { Host } from "../../lib/host";
import { STRICT_SHELL } from "../store/store-job";
import { COMPLETED_BY_ENGINE, goDuration, hardened, labels, memoryLimit, REPLACE_ON_CHANGES } from "../containers";
import type { Environment } from "../store/environment";
import type { Gateway } from "./gateway";
import { certificateMount, GATEWAY_USER, tlsPaths } from "./tls";

/** What of the store a server mounts. */
export interface StoreMounts {
  /**
   * Mounted read-only. Another one replaces the container, and so does the same one when it is populated again: it then
   * has another directory.
   */
  environment: Environment;
  mounts: Mounts;
  /** Directory on the host that the service writes its database to; the only read-write mount. */
  dataDirectory: string;
}

export interface ServerArgs {
  /** What of the application it runs. */
  application: Role;
  host: Host;
  deployment: DeploymentIdentity;
  service: string;
  /** Its role in the application. */
  role: ServiceRole;
  /** What it runs. Another one replaces the container. In a release with further roles, only another part of it does. */
  release: Release;
  /** Reference of the server image. A changed one replaces the container. */
  image: pulumi.Input<string>;
  /** Name of the network, and the alias that the gateway looks for. */
  network: pulumi.Input<string>;
  alias: string;
  /** Undefined for what needs nothing of it. */
  store: StoreMounts | undefined;
  /** Environment variables. May hold secrets. */
  variables: Readonly<Record<string, pulumi.Input<string>>>;
  memoryMiB: number;
  /** Whether the engine limits swap. */
  limitsSwap: boolean;
  /** How it asks the engine for all GPUs of the host; undefined for a server without. A changed one replaces the container. */
  gpu: GpuRequest | undefined;
  /** Seconds that a new server may take until it is ready. A changed one replaces the container. */
  readyTimeout: number;
  /** What routes to it. Another one makes the gate ask through it again. */
  gateway: Gateway;
  /** Id of the release to roll back to, for the message of a failing server; undefined when there is none. */
  previousRelease: string | undefined;
  /** Names of the services that the update replaces before this one, for the same message. */
  earlierServices: readonly string[];
  /** The job that stops the old servers first and prints their ids; undefined if they run until this one is ready. */
  stopOld: command.local.Command | undefined;
  /** Whether the servers that `stopOld` stopped start again when this one does not become ready. */
  autoRollback: boolean;
}

/**
 * One server container and the gate that waits until it answers through the gateway. A new one is ready before the old
 * one is removed, so it has neither a fixed name nor a port of the host. If it does not become ready, the update fails
 * and the old one keeps running. The type is still called `ArchonServer`, because renaming it would replace the resource
 * in every stack.
 */
export class Server extends pulumi.ComponentResource {
  readonly containerId: pulumi.Output<string>;

  constructor(name: string, args: ServerArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:ArchonServer", name, {}, opts);
    const container = new docker.Container(name, containerArgs(args), {
      parent: this,
      deleteBeforeReplace: false,
      replaceOnChanges: REPLACE_ON_CHANGES,
      ignoreChanges: COMPLETED_BY_ENGINE,
      replaceWith: [args.store?.environment.job ?? [], args.stopOld ?? []].flat(),
    });

    new command.local.Command(
      `${name}-ready`,
      {
        create: "components/scripts/readiness-gate.sh",
        interpreter: STRICT_SHELL,
        addPreviousOutputInEnv: false,
        environment: {
          ...serverScriptEnv(args),
          GATE_CONTAINER: container.id,
          GATE_GATEWAY: args.gateway.containerId,
          GATE_URL: `${args.gateway.url}${args.application.readiness.path}`,
          ...(args.gateway.tls === undefined ? {} : { GATE_CERTIFICATE: tlsPaths(args.gateway.tls).certificate }),
          GATE_ASK_OPTIONS: toLines(askOptions(args.deployment, args.gateway.tls)),
          GATE_ASK_IMAGE: args.gateway.image,
          ...(args.application.readiness.connectOnly === true ? { GATE_ANY_ANSWER: "true" } : {}),
          GATE_CHECK: toLines(args.application.readiness.command),
          GATE_CHECK_TIMEOUT: String(args.application.readiness.timeoutSeconds),
          GATE_FAILED_PREFIX: args.application.readiness.failedPrefix ?? "",
          ...smokeTestEnv(args.application.readiness),
          GATE_TIMEOUT: String(args.readyTimeout),
          GATE_ROLLOUT: args.stopOld === undefined ? "overlap" : "replace",
          GATE_STOPPED: args.stopOld !== undefined && args.autoRollback ? args.stopOld.stdout : "",
          PREVIOUS_RELEASE: args.previousRelease ?? "",
          ...(args.earlierServices.length === 0 ? {} : { GATE_EARLIER: args.earlierServices.join(", ") }),
        },
        triggers: [container.id, args.gateway.containerId],
      },
      { parent: this },
    );

    this.containerId = container.id;
    this.registerOutputs({ containerId: this.containerId });
  }
}

/**
 * Options of the container that asks through the gateway. It shares the network of the engine's host, because the
 * deployer may be on another machine or in another network, where the published address is not reachable. With TLS it sees
 * the certificate, to compare it with the one that is served.
 */
function askOptions(deployment: DeploymentIdentity, tls: TlsFiles | undefined): string[] {
  return jobOptions({
    labels: deploymentLabels(deployment, "one-shot"),
    network: "host",
    ...(tls === undefined ? {} : { mounts: [certificateMount(tls)], user: GATEWAY_USER }),
  });
}

/** What a server's container is made from. */
export function containerArgs(args: Omit<ServerArgs, "gateway" | "stopOld" | "autoRollback">): docker.ContainerArgs {
  const { application, host } = args;
  const { variables, readiness } = application;
  const certificates = host.caBundle === undefined ? [] : [{ source: host.caBundle, target: CA_BUNDLE }];
  const trust =
    host.caBundle === undefined ? {} : Object.fromEntries(variables.certificates.map((name) => [name, CA_BUNDLE]));
  return {
    ...hardened,
    image: args.image,
    user: application.user,
    tmpfs: application.tmpfs,
    init: true,
    networksAdvanced: [{ name: args.network, aliases: [args.alias] }],
    ...(application.hosts === undefined ? {} : { hosts: [...application.hosts] }),
    mounts: [...storeMounts(args), ...certificates.map((mount) => ({ type: "bind", readOnly: true, ...mount }))],
    envs: pulumi.all({ ...args.variables, ...trust }).apply((all) =>
      Object.entries(all)
        .map(([key, value]) => `${key}=${value}`)
        .sort(),
    ),
    labels: labels(args.deployment, "server", {
      service: args.service,
      ...(args.role === "server" ? {} : { role: args.role }),
      ...(hasRoles(args.release) ? {} : { release: args.release.id }),
      ...(args.store === undefined ? {} : { models: args.release.models.map(snapshotOf).join(" ") }),
    }),
    // For people and monitors: the readiness gate runs the command itself, and the gateway sends requests of its own. Each
    // check takes about a fifth of a second of a processor for as long as the server runs. Until the start period ends, a
    // failing one means "starting".
    healthcheck: {
      tests: ["CMD", ...readiness.command],
      interval: "30s",
      timeout: goDuration(readiness.timeoutSeconds),
      retries: 3,
      startPeriod: goDuration(args.readyTimeout),
    },
    destroyGraceSeconds: application.stopSeconds,
    ...gpuArgs(args.gpu),
    ...memoryLimit(args.memoryMiB, args.limitsSwap),
  };
}

/** What a container's GPUs are asked for with. */
function gpuArgs(request: GpuRequest | undefined): Pick<docker.ContainerArgs, "gpus" | "deviceRequests"> {
  if (request === "cdi") {
    return { deviceRequests: [{ driver: "cdi", deviceIds: [ALL_GPUS] }] };
  }
  return request === undefined ? {} : { gpus: "all" };
}

/** What it mounts of the store; the snapshot of the default model also where the application looks for it. */
function storeMounts({
  store,
  host,
  release,
}: Pick<ServerArgs, "store" | "host" | "release">): docker.types.input.ContainerMount[] {
  if (store === undefined) {
    return [];
  }
  const { environment, mounts, dataDirectory } = store;
  const target = mounts.defaultModel;
  const model = release.models.find(({ name }) => name === release.activeModel);
  return [
    { type: "bind", source: environment.path, target: MOUNTS.environment, readOnly: true },
    { type: "bind", source: `${host.root}/models/huggingface`, target: MOUNTS.models, readOnly: true },
    { type: "bind", source: dataDirectory, target: mounts.data },
    ...(target === undefined || model === undefined
      ? []
      : [{ type: "bind", source: `${host.root}/${snapshotPath(model)}`, target, readOnly: true }]),
  ];
}

/** What the gate needs to run the application's smoke test. */
function smokeTestEnv({ smokeTest }: Role["readiness"]): Record<string, string> {
  return smokeTest === undefined
    ? {}
    : { GATE_SMOKE_TEST: smokeTest.program, GATE_SMOKE_TEST_ARGUMENTS: toLines(smokeTest.arguments) };
}

/** What a script needs to find the servers of a service, to stop and to start them. */
export function serverScriptEnv({
  application,
  host,
  deployment,
  service,
}: Pick<ServerArgs, "application" | "host" | "deployment" | "service">): Record<string, string> {
  return {
    DOCKER_HOST: host.dockerHost,
    SERVERS_PROJECT: deployment.project,
    SERVERS_STACK: deployment.stack,
    SERVERS_DEPLOYMENT: deployment.id,
    SERVERS_SERVICE: service,
    SERVERS_GRACE: String(application.stopSeconds),
  };
}
