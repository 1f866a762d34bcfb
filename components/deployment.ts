import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Settings } from "../config/load";
import { candidate } from "../release/candidate";
import type { Previous } from "../release/ledger";
import { plan, PlanError, type Plan } from "../release/plan";
import type { Release } from "../release/release";
import { serverVariables } from "./service/server";
import { Artifacts, imageName, recipeFor } from "./artifacts";
import { Collection, Hold } from "./store/garbage-collection";
import { HostStore } from "./store/host-store";
import { Image } from "./image";
import { Proof } from "./store/baseline";
import { Service } from "./service/service";
import { labels } from "./containers";
import { configurationError } from "../config/problems";
import { gitCommit } from "../lib/git";
import { hostFacts, lostPart, withParts, type HostFacts } from "./host-facts";
import { buildRecipe, IMAGES, serverArguments, type BuildRecipe } from "../lib/images";

type Recipes = Record<keyof Release["images"], BuildRecipe>;

/**
 * One stack: the parts of the releases that it keeps, and for each service its servers behind a gateway. Images, environments and
 * snapshots stay on the host when the stack goes.
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
  readonly #done: pulumi.Output<unknown>;

  /** @throws pulumi.RunError when `settings.release` names a release that cannot be run, before anything is created. */
  constructor(name: string, settings: Settings, previous: Previous, opts: pulumi.ComponentResourceOptions = {}) {
    const recipes = recipesOf(settings);
    const facts = hostFacts(settings);
    const planned = planUpdate(settings, previous, recipes, facts);
    const { active, tools } = planned;
    const provider = new docker.Provider(
      `${name}-docker`,
      { host: settings.dockerHost },
      opts.parent === undefined ? {} : { parent: opts.parent },
    );
    super("archon:index:Deployment", name, {}, { ...opts, providers: { docker: provider } });
    const child = { parent: this };

    const recipe = recipeFor(tools.bootstrap, Object.values(recipes), facts);
    const bootstrap = new Image(imageName(name, tools.bootstrap), { reference: tools.bootstrap, recipe }, child);
    const job = { host: settings, bootstrapImage: bootstrap.reference };
    const store = new HostStore(
      `${name}-store`,
      { ...job, services: settings.services.map((service) => service.name) },
      child,
    );
    const hold = new Hold(`${name}-hold`, { ...job, keep: planned.keep }, { parent: this, dependsOn: store });
    const artifacts = new Artifacts(
      name,
      { settings, plan: planned, facts, recipes: Object.values(recipes), bootstrap },
      { parent: this, dependsOn: hold },
    );
    const environment = artifacts.environment(active.environment);

    this.apiToken = settings.requireToken
      ? pulumi.secret(new random.RandomPassword(`${name}-api-token`, { length: 40, special: false }, child).result)
      : undefined;
    const token: Record<string, pulumi.Input<string>> = this.apiToken === undefined
      ? {}
      : { ARCHON_API_TOKEN: this.apiToken };
    const network = new docker.Network(
      `${name}-network`,
      { labels: labels("network", { root: settings.root }) },
      { parent: this, dependsOn: store },
    );
    const services = settings.services.map(
      ({ name: service, port, bind, memoryMiB, replicas, variables }) =>
        new Service(
          `${name}-${service}`,
          {
            host: settings,
            service,
            release: active,
            port,
            bind,
            memoryMiB,
            replicas,
            image: artifacts.image(active.images.server).reference,
            gatewayImage: artifacts.image(tools.gateway).reference,
            network: network.name,
            environmentPath: environment.path,
            environmentJob: environment.job,
            dataDirectory: store.dataDirectory(service),
            variables: { ...secrets(variables), ...serverVariables(active, service), ...token },
            rollout: settings.rollout,
            autoRollback: settings.autoRollback,
            readyTimeout: settings.readyTimeout,
            previousRelease: planned.back?.id,
          },
          { parent: this, dependsOn: [environment, ...active.models.map((model) => artifacts.snapshot(model))] },
        ),
    );
    const [container] = services.flatMap(({ containerIds }) => containerIds);
    const model = active.models.find((each) => each.name === active.activeModel);
    if (model !== undefined && container !== undefined) {
      new Proof(
        `${name}-proof-${model.revision.slice(0, 12)}`,
        { ...job, model, containerId: container },
        { parent: this, dependsOn: services },
      );
    }
    const { done } = new Collection(
      `${name}-collection`,
      { ...job, keep: planned.keep },
      { parent: this, dependsOn: services },
    );

    this.services = settings.services.map((service, index) => ({
      name: service.name,
      url: services[index]?.url ?? "",
    }));
    this.url = this.services[0]?.url ?? "";
    this.release = active.id;
    this.releases = planned.releases;
    this.environment = { key: active.environment, path: environment.path };
    this.images = { ...tools, server: active.images.server };
    this.models = active.models;
    this.#done = done;
    this.registerOutputs(this.outputs());
  }

  /**
   * What a person or a script needs to know of the stack. The token is there only where one is required. An update that fails leaves
   * all of it as it was, the ledger above all: it is said only when the last step is done. A preview has no such step.
   */
  outputs(): pulumi.Inputs {
    const { url, release, releases, environment, images, models, services, apiToken } = this;
    const values = { url, release, releases, environment, images, models, services };
    const settled = <T>(value: T): pulumi.Input<T> =>
      pulumi.runtime.isDryRun() ? value : this.#done.apply(() => value);
    return {
      ...Object.fromEntries(Object.entries(values).map(([key, value]) => [key, settled(value)])),
      ...(apiToken === undefined ? {} : { apiToken }),
    };
  }
}

function recipesOf(settings: Settings): Recipes {
  return {
    server: buildRecipe(IMAGES.server, settings, serverArguments(settings.browser)),
    bootstrap: buildRecipe(IMAGES.bootstrap, settings),
    gateway: buildRecipe(IMAGES.gateway, settings),
  };
}

function planUpdate(settings: Settings, previous: Previous, recipes: Recipes, facts: HostFacts): Plan {
  const { server, bootstrap, gateway } = recipes;
  const images = { server: server.reference, bootstrap: bootstrap.reference, gateway: gateway.reference };
  const made = candidate(settings, images, new Date().toISOString(), gitCommit(settings.project));
  // What the checkout makes again is not lost to the earlier releases that share it.
  const after = ["", made.id].includes(settings.release) ? withParts(facts, made) : facts;
  try {
    return plan({
      candidate: made,
      ledger: previous.ledger,
      tools: Object.values(previous.tools ?? {}).every((reference: string) => facts.hasImage(reference))
        ? previous.tools
        : undefined,
      wanted: settings.release,
      retain: settings.retain,
      lost: (release) => lostPart(after, release),
    });
  } catch (error) {
    if (error instanceof PlanError) {
      throw configurationError(pulumi.getStack(), [
        { key: `${pulumi.getProject()}:release`, received: settings.release, reason: error.message },
      ]);
    }
    throw error;
  }
}

/** Whether one of them is a secret is not known: Pulumi marks a key as secret as a whole. */
function secrets(variables: Readonly<Record<string, string>>): Record<string, pulumi.Output<string>> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, pulumi.secret(value)]));
}
