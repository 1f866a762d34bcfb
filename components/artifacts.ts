import * as pulumi from "@pulumi/pulumi";
import * as path from "node:path";
import type { Application, ApplicationCommands } from "../applications/application";
import { extraIndexes } from "../config/accelerator";
import type { Settings } from "../config/load";
import type { Model } from "../config/models";
import { imagesOf, snapshotOf, type ModelReference } from "../release/release";
import { digest } from "../lib/hashing";
import { isPulled } from "../lib/images";
import { recipeFor, type DeploymentPlan } from "./deployment-plan";
import { Environment, type EnvironmentSource } from "./store/environment";
import { Image } from "./image";
import { ModelSnapshot, type SnapshotSource } from "./store/model-snapshot";
import type { StoreJobContext } from "./store/store-job";

export interface ArtifactsArgs {
  plan: DeploymentPlan;
  job: StoreJobContext;
  /** The image of the store tool, which everything else needs first. */
  bootstrap: Image;
}

/**
 * What the retained releases consist of: their images, environments and model snapshots, each a resource named by its
 * content. A rollback finds them unchanged, so that it builds and downloads nothing. A release with a missing part is
 * left out.
 */
export class Artifacts extends pulumi.ComponentResource {
  private readonly images = new Map<string, Image>();
  private readonly environments = new Map<string, Environment>();
  private readonly snapshots = new Map<string, ModelSnapshot>();

  constructor(name: string, args: ArtifactsArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Artifacts", name, {}, opts);
    const { plan, job, bootstrap } = args;
    const { settings, facts, recipes } = plan;
    const child = { parent: this };
    this.images.set(plan.sharedImages.bootstrap, bootstrap);

    const releases = plan.releases.filter(({ lost }) => lost === undefined);
    for (const reference of new Set([...releases.flatMap(imagesOf), plan.sharedImages.gateway])) {
      const recipe = recipeFor(reference, recipes, facts);
      const available = recipe !== undefined || isPulled(reference) || facts.imageMayExist(reference);
      if (!this.images.has(reference) && available) {
        const dependsOn = recipe?.needs.flatMap((each) => this.images.get(each) ?? []) ?? [];
        this.images.set(
          reference,
          new Image(imageName(name, reference), { reference, recipe }, { ...child, dependsOn }),
        );
      }
    }
    for (const key of new Set(releases.map(({ environment }) => environment))) {
      const source = plan.fromCheckout && key === plan.active.environment ? environmentSource(plan) : undefined;
      this.environments.set(
        key,
        new Environment(`${name}-environment-${key}`, { job, key, source, missing: !facts.hasEnvironment(key) }, child),
      );
    }
    for (const model of derivedLast(
      settings,
      releases.flatMap(({ models }) => models),
    )) {
      const { repo, revision } = model;
      const { source, dependsOn } = this.snapshotSource(plan, model);
      this.snapshots.set(
        snapshotOf(model),
        new ModelSnapshot(
          snapshotName(name, model),
          { job, repo, revision, source, missing: !facts.hasSnapshot(model) },
          { ...child, dependsOn },
        ),
      );
    }
    this.registerOutputs({});
  }

  image(reference: string): Image {
    return partOf(this.images, reference);
  }

  environment(key: string): Environment {
    return partOf(this.environments, key);
  }

  snapshot(model: ModelReference): ModelSnapshot {
    return partOf(this.snapshots, snapshotOf(model));
  }

  /**
   * Where a snapshot comes from, and which resources it depends on. There is no source for a snapshot that the checkout
   * does not configure, nor for a derived one in a rollback.
   */
  private snapshotSource(
    plan: DeploymentPlan,
    requested: ModelReference,
  ): { source: SnapshotSource | undefined; dependsOn: pulumi.Resource[] } {
    const { models, hubEndpoint, hubMirrors, hubToken } = plan.settings;
    const model = configured(models, requested);
    if (model === undefined || (model.from !== undefined && !plan.fromCheckout)) {
      return { source: undefined, dependsOn: [] };
    }
    if (model.directory !== undefined) {
      return { source: { directory: model.directory }, dependsOn: [] };
    }
    const origin = models.find(({ name }) => name === model.from);
    if (origin === undefined) {
      return { source: { hubEndpoint, hubMirrors, hubToken }, dependsOn: [] };
    }
    const environment = this.environment(plan.active.environment);
    return {
      source: {
        commands: commandsOf(plan.application),
        derivedFrom: origin,
        variant: model.variant,
        serverImage: this.image(plan.active.images.server).reference,
        environment,
      },
      dependsOn: [environment, this.snapshot(origin)],
    };
  }
}

/** `archon-server:tag` becomes `<name>-server-image-tag`. A reference with a digest becomes its hash. */
export function imageName(name: string, reference: string): string {
  if (isPulled(reference)) {
    return `${name}-pulled-image-${digest(reference).slice(0, 16)}`;
  }
  const [repository = "", tag = ""] = reference.split(":");
  return `${name}-${repository.replace(/^archon-/, "")}-image-${tag}`;
}

function snapshotName(name: string, { repo, revision }: ModelReference): string {
  return `${name}-model-${repo.replace("/", "-").toLowerCase()}-${revision.slice(0, 12)}`;
}

function environmentSource({ application, settings }: DeploymentPlan): EnvironmentSource {
  const { project, requirements, lock, imports, pythonIndex, wheelhouse } = settings;
  return {
    lockFile: path.resolve(project, requirements),
    lock,
    pythonAbi: application.python.abi,
    imports,
    index: pythonIndex,
    extraIndexes: extraIndexes(settings),
    wheelhouse,
  };
}

/** The configuration allows derived models only to an application that derives them. */
function commandsOf({ commands }: Application): ApplicationCommands {
  if (commands === undefined) {
    throw new Error("The application derives no models.");
  }
  return commands;
}

function configured(models: readonly Model[], requested: ModelReference): Model | undefined {
  return models.find((each) => snapshotOf(each) === snapshotOf(requested));
}

/** Every snapshot once; one that is derived comes after what it is derived from. */
function derivedLast(settings: Settings, models: readonly ModelReference[]): ModelReference[] {
  const once = [...new Map(models.map((model) => [snapshotOf(model), model])).values()];
  const derived = (model: ModelReference): boolean => configured(settings.models, model)?.from !== undefined;
  return [...once.filter((model) => !derived(model)), ...once.filter(derived)];
}

function partOf<T>(parts: ReadonlyMap<string, T>, key: string): T {
  const part = parts.get(key);
  if (part === undefined) {
    throw new Error(`${key} is not a part of the retained releases.`);
  }
  return part;
}
