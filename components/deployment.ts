import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { roleOf, type Application, type Role } from "../applications/application";
import type { Settings } from "../config/load";
import type { ServiceRole } from "../config/schema";
import type { DeploymentIdentity } from "../lib/deployment-identity";
import { isPulled } from "../lib/images";
import { hasRoles, runningImages, type Release } from "../release/release";
import { Artifacts, imageName } from "./artifacts";
import { labels } from "./containers";
import { recipeFor, type DeploymentPlan } from "./deployment-plan";
import { Image } from "./image";
import { registryLogin } from "./registry-login";
import { ImportCheck } from "./service/import-check";
import { Service, type ServiceArgs } from "./service/service";
import { Baseline } from "./store/baseline";
import type { Environment } from "./store/environment";
import { GarbageCollection, GcRoots } from "./store/garbage-collection";
import { HostStore } from "./store/host-store";
import type { StoreJobContext } from "./store/store-job";

/** What every service of a stack shares. */
interface ServiceParts {
  identity: DeploymentIdentity;
  artifacts: Artifacts;
  store: HostStore;
  environment: Environment;
  network: docker.Network;
  /** What must succeed before a server is touched. */
  checks: readonly pulumi.Resource[];
}

/**
 * One stack: the parts of the releases that it retains, and for each service its servers behind a gateway. Images,
 * environments and snapshots stay on the host when the stack is destroyed.
 */
export class Deployment extends pulumi.ComponentResource {
  /** Where the first service answers. */
  readonly url: string;
  /** Id of the release that runs. */
  readonly release: string;
  /** The ledger: the releases that ran, the latest run first. */
  readonly releases: Release[];
  readonly environment: { key: string; path: string };
  readonly images: Release["images"];
  readonly models: Release["models"];
  readonly services: { name: string; url: string }[];
  /** Secret; undefined where none is required. */
  readonly apiToken: pulumi.Output<string> | undefined;
  /** Resolves with the last step of an update. */
  private readonly done: pulumi.Output<unknown>;

  constructor(
    name: string,
    plan: DeploymentPlan,
    identity: DeploymentIdentity,
    opts: pulumi.ComponentResourceOptions = {},
  ) {
    super("archon:index:Deployment", name, inputs(plan), {
      ...opts,
      providers: { docker: dockerProvider(name, plan, opts) },
    });
    const { settings, facts, recipes, active, sharedImages, retained } = plan;
    const child = { parent: this };

    const recipe = recipeFor(sharedImages.bootstrap, recipes, facts);
    const bootstrap = new Image(
      imageName(name, sharedImages.bootstrap),
      { reference: sharedImages.bootstrap, recipe },
      child,
    );
    const job = { host: settings, deployment: identity, bootstrapImage: bootstrap.reference };
    const servers = settings.services.filter(({ role }) => role === "server").map((each) => each.name);
    const store = new HostStore(`${name}-store`, { job, services: servers, facts }, child);
    const roots = new GcRoots(`${name}-hold`, { job, retained, facts }, { parent: this, dependsOn: store });
    const artifacts = new Artifacts(name, { plan, job, bootstrap }, { parent: this, dependsOn: roots });
    const environment = artifacts.environment(active.environment);

    this.apiToken = this.createToken(name, settings);
    const network = this.createNetwork(name, plan, identity, store);
    const checks = this.checkImports(name, plan, { identity, artifacts, environment });
    const services = this.createServices(name, plan, { identity, artifacts, store, environment, network, checks });
    this.recordBaseline(name, plan, job, services);
    const collection = new GarbageCollection(
      `${name}-collection`,
      { job, retained },
      { parent: this, dependsOn: services },
    );

    this.services = services.map(({ service, url }) => ({ name: service, url }));
    this.url = this.services[0]?.url ?? "";
    this.release = active.id;
    this.releases = plan.releases;
    this.environment = { key: active.environment, path: environment.path };
    const { server, roles } = active.images;
    this.images = { ...sharedImages, server, ...(roles === undefined ? {} : { roles }) };
    this.models = active.models;
    this.done = collection.done;
    this.registerOutputs(this.outputs());
  }

  /**
   * The stack's outputs, with the token only where one is required. They wait for the last step, so that a failed update
   * leaves all of them as they were, the ledger above all. In a preview there is no last step to wait for.
   */
  outputs(): pulumi.Inputs {
    const { url, release, releases, environment, images, models, services, apiToken } = this;
    const values = { url, release, releases, environment, images, models, services };
    const settled = <T>(value: T): pulumi.Input<T> =>
      pulumi.runtime.isDryRun() ? value : this.done.apply(() => value);
    return {
      ...Object.fromEntries(Object.entries(values).map(([key, value]) => [key, settled(value)])),
      ...(apiToken === undefined ? {} : { apiToken }),
    };
  }

  /** The token that requests must carry, where one is required. */
  private createToken(name: string, { requireToken }: Settings): pulumi.Output<string> | undefined {
    return requireToken
      ? pulumi.secret(
          new random.RandomPassword(`${name}-api-token`, { length: 40, special: false }, { parent: this }).result,
        )
      : undefined;
  }

  /**
   * Docker cannot change the labels of a network, and another network closes the port for a moment. So one that was made
   * before deployments had an id keeps its labels, unless the store is another: garbage collection reads that one.
   * Whether a network has IPv6, and options such as its MTU, the engine's `daemon.json` says (`default-network-opts`):
   * the stack works with either, so it takes what the administrator chose.
   */
  private createNetwork(
    name: string,
    { settings: { root, subnet }, rootChanged }: DeploymentPlan,
    identity: DeploymentIdentity,
    store: HostStore,
  ): docker.Network {
    return new docker.Network(
      `${name}-network`,
      { labels: labels(identity, "network", { root }), ...(subnet === "" ? {} : { ipamConfigs: [{ subnet }] }) },
      {
        parent: this,
        dependsOn: store,
        // Two networks cannot have the same addresses.
        deleteBeforeReplace: subnet !== "",
        ignoreChanges: ["ipv6", "options", ...(rootChanged ? [] : ["labels"])],
      },
    );
  }

  /** All roles before any server is touched. A rollback runs what has run before. */
  private checkImports(
    name: string,
    { application, settings, active, fromCheckout }: DeploymentPlan,
    { identity, artifacts, environment }: Pick<ServiceParts, "identity" | "artifacts" | "environment">,
  ): ImportCheck[] {
    const { imports, readyTimeout: timeout } = settings;
    const roles = fromCheckout ? [...new Set(settings.services.map(({ role }) => role))] : [];
    return roles.flatMap((role) => {
      const described = requireRole(application, role);
      if (described.importCheck === undefined) {
        return [];
      }
      const reference = imageOf(active, role);
      const isServer = role === "server";
      return new ImportCheck(
        isServer ? `${name}-imports` : `${name}-imports-${role}`,
        {
          application: described,
          role,
          program: described.importCheck,
          host: settings,
          deployment: identity,
          release: active,
          reference,
          image: artifacts.image(reference).reference,
          store: isServer ? { environment, imports } : undefined,
          timeout,
        },
        { parent: this, dependsOn: isServer ? environment : [] },
      );
    });
  }

  /** In the order of the list. A service of another role than the server waits for those before it. */
  private createServices(name: string, plan: DeploymentPlan, parts: ServiceParts): Service[] {
    const { application, active } = plan;
    const { artifacts, environment, checks } = parts;
    const needs = [environment, ...active.models.map((model) => artifacts.snapshot(model)), ...checks];
    return plan.settings.services.reduce<Service[]>((created, service, index, all) => {
      const earlier = all.slice(0, index);
      const { aliases = [] } = requireRole(application, service.role);
      const isServer = service.role === "server";
      const made = new Service(
        `${name}-${service.name}`,
        {
          ...this.serviceArgs(plan, parts, service),
          aliases: earlier.some(({ role }) => role === service.role) ? [] : aliases,
          earlierServices: isServer ? [] : earlier.map((each) => each.name),
        },
        { parent: this, dependsOn: isServer ? needs : created },
      );
      return [...created, made];
    }, []);
  }

  private serviceArgs(
    { application, settings, facts, active, sharedImages, rollbackTarget, gpuRequest }: DeploymentPlan,
    { identity, artifacts, store, environment, network }: ServiceParts,
    { name: service, role, port, bind, tls, gpu, memoryMiB, replicas, variables }: Settings["services"][number],
  ): Omit<ServiceArgs, "aliases" | "earlierServices"> {
    const described = requireRole(application, role);
    const { secret = {}, token } = described.variables;
    const apiToken = this.apiToken === undefined || token === undefined ? {} : { [token]: this.apiToken };
    return {
      application: described,
      host: settings,
      deployment: identity,
      service,
      role,
      release: active,
      port,
      bind,
      tls,
      memoryMiB,
      limitsSwap: facts.limitsSwap,
      gpu: gpu === "nvidia" ? gpuRequest : undefined,
      replicas,
      image: artifacts.image(imageOf(active, role)).reference,
      gatewayImage: artifacts.image(sharedImages.gateway).reference,
      network: network.name,
      store:
        role === "server"
          ? { environment, mounts: application.mounts, dataDirectory: store.dataDirectory(service) }
          : undefined,
      variables: {
        ...secrets({ ...variables, ...secret }),
        ...described.variables.of(active, service),
        ...(gpu === "nvidia" ? described.variables.gpu : {}),
        ...apiToken,
      },
      rollout: settings.rollout,
      autoRollback: settings.autoRollback,
      readyTimeout: settings.readyTimeout,
      // The gate of a service that stays as it is must not run again because of it.
      previousRelease: hasRoles(active) ? undefined : rollbackTarget?.id,
      gatewayNames: [application, ...Object.values(application.roles ?? {})].flatMap(({ aliases = [] }) => aliases),
    };
  }

  /** Records the scores of the active model by the first server, once for each model. */
  private recordBaseline(
    name: string,
    { application, active, facts }: DeploymentPlan,
    job: StoreJobContext,
    services: Service[],
  ): void {
    const [containerId] = services.flatMap(({ containerIds }) => containerIds);
    const model = active.models.find((each) => each.name === active.activeModel);
    if (application.commands !== undefined && model !== undefined && containerId !== undefined) {
      new Baseline(
        `${name}-proof-${model.revision.slice(0, 12)}`,
        { command: application.commands.baseline, job, model, containerId, missing: !facts.hasBaseline(model) },
        { parent: this, dependsOn: services },
      );
    }
  }
}

/** The containers of a stack with further roles do not name the release, so it stands here for previews. */
function inputs({ active }: DeploymentPlan): pulumi.Inputs {
  return hasRoles(active) ? { release: active.id } : {};
}

/** The configuration allows only roles that the application has. */
function requireRole(application: Application, role: ServiceRole): Role {
  const described = roleOf(application, role);
  if (described === undefined) {
    throw new Error(`The application has no role ${role}.`);
  }
  return described;
}

/** The plan allows only releases with an image for every role that is configured. */
function imageOf(release: Release, role: ServiceRole): string {
  const image = runningImages(release).get(role);
  if (image === undefined) {
    throw new Error(`The release ${release.id} has no image for the role ${role}.`);
  }
  return image;
}

/** The component takes it as an option, so it cannot be a child: it has the same parent as the component. */
function dockerProvider(
  name: string,
  { settings, active }: DeploymentPlan,
  { parent }: pulumi.ComponentResourceOptions,
): docker.Provider {
  const pulled = [...runningImages(active).values()].filter(isPulled);
  const logins = pulled.flatMap((reference) => registryLogin(reference));
  const registryAuth = [...new Map(logins.map((login) => [login.address, login])).values()];
  return new docker.Provider(
    `${name}-docker`,
    { host: settings.dockerHost, ...(registryAuth.length === 0 ? {} : { registryAuth }) },
    parent === undefined ? {} : { parent },
  );
}

/** Pulumi marks a configuration key as secret as a whole, so each variable of a service may be a secret. */
function secrets(variables: Readonly<Record<string, string>>): Record<string, pulumi.Output<string>> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, pulumi.secret(value)]));
}
