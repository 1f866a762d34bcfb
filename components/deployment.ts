import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Settings } from "../config/load";
import type { DeploymentIdentity } from "../lib/deployment-identity";
import { isPulled } from "../lib/images";
import type { Release } from "../release/release";
import { Artifacts, imageName } from "./artifacts";
import { labels } from "./containers";
import { recipeFor, type DeploymentPlan } from "./deployment-plan";
import { Image } from "./image";
import { registryLogin } from "./registry-login";
import { ImportCheck } from "./service/import-check";
import { Service } from "./service/service";
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
    super("archon:index:Deployment", name, {}, { ...opts, providers: { docker: dockerProvider(name, plan, opts) } });
    const { settings, facts, recipes, active, sharedImages, retained } = plan;
    const child = { parent: this };

    const recipe = recipeFor(sharedImages.bootstrap, recipes, facts);
    const bootstrap = new Image(
      imageName(name, sharedImages.bootstrap),
      { reference: sharedImages.bootstrap, recipe },
      child,
    );
    const job = { host: settings, deployment: identity, bootstrapImage: bootstrap.reference };
    const store = new HostStore(`${name}-store`, { job, services: settings.services.map((each) => each.name) }, child);
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
    this.images = { ...sharedImages, server: active.images.server };
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

  /** A rollback runs what has run before. */
  private checkImports(
    name: string,
    { application, settings, active, fromCheckout }: DeploymentPlan,
    { identity, artifacts, environment }: Pick<ServiceParts, "identity" | "artifacts" | "environment">,
  ): ImportCheck[] {
    const { importCheck: program } = application;
    if (program === undefined || !fromCheckout) {
      return [];
    }
    const { imports, readyTimeout: timeout } = settings;
    const image = artifacts.image(active.images.server).reference;
    const args = { application, program, host: settings, deployment: identity, release: active, image, environment };
    return [
      new ImportCheck(`${name}-imports`, { ...args, imports, timeout }, { parent: this, dependsOn: environment }),
    ];
  }

  private createServices(name: string, plan: DeploymentPlan, parts: ServiceParts): Service[] {
    const { application, settings, active, sharedImages } = plan;
    const { identity, artifacts, store, environment, network, checks } = parts;
    const { secret = {}, token } = application.variables;
    const apiToken = this.apiToken === undefined || token === undefined ? {} : { [token]: this.apiToken };
    return settings.services.map(
      ({ name: service, port, bind, tls, gpu, memoryMiB, replicas, variables }, index) =>
        new Service(
          `${name}-${service}`,
          {
            application,
            host: settings,
            deployment: identity,
            service,
            release: active,
            port,
            bind,
            tls,
            memoryMiB,
            gpu: gpu === "nvidia" ? plan.gpuRequest : undefined,
            aliases: index === 0 ? (application.aliases ?? []) : [],
            replicas,
            image: artifacts.image(active.images.server).reference,
            gatewayImage: artifacts.image(sharedImages.gateway).reference,
            network: network.name,
            environment,
            dataDirectory: store.dataDirectory(service),
            variables: {
              ...secrets({ ...variables, ...secret }),
              ...application.variables.of(active, service),
              ...(gpu === "nvidia" ? application.variables.gpu : {}),
              ...apiToken,
            },
            rollout: settings.rollout,
            autoRollback: settings.autoRollback,
            readyTimeout: settings.readyTimeout,
            previousRelease: plan.rollbackTarget?.id,
          },
          {
            parent: this,
            dependsOn: [environment, ...active.models.map((model) => artifacts.snapshot(model)), ...checks],
          },
        ),
    );
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

/** The component takes it as an option, so it cannot be a child: it has the same parent as the component. */
function dockerProvider(
  name: string,
  { settings, active }: DeploymentPlan,
  { parent }: pulumi.ComponentResourceOptions,
): docker.Provider {
  const { server } = active.images;
  const registryAuth = isPulled(server) ? registryLogin(server) : [];
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
