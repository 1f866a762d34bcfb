import * as pulumi from "@pulumi/pulumi";
import type { Application, Role } from "../applications/application";
import type { Settings } from "../config/load";
import { configurationError, type Problem } from "../config/problems";
import { storeName } from "../lib/deployment-identity";
import { gitCommit } from "../lib/git";
import type { GpuRequest } from "../lib/gpu";
import { buildRecipe, IMAGES, type BuildRecipe } from "../lib/images";
import type { Ledger } from "../release/ledger";
import { plan, PlanError, type Plan } from "../release/plan";
import { releaseOf, runningImages, type Release, type RoleImages } from "../release/release";
import { checkBuildEngine } from "./build-engine";
import { engineError } from "./engine";
import { planGpus } from "./gpu-preflight";
import { assumingBuilt, hostFacts, unavailableReason, type HostFacts } from "./host-facts";
import { storeMark } from "./store-contents";
import { tlsProblems } from "./tls-preflight";

/** What an update does, known before anything is created: everything that {@link Deployment} makes follows from it. */
export interface DeploymentPlan extends Plan {
  application: Application;
  settings: Settings;
  facts: HostFacts;
  /** How servers with a GPU ask the engine for it; undefined where none asks. */
  gpuRequest: GpuRequest | undefined;
  /** Whether the store is another one than at the last update. */
  rootChanged: boolean;
  /** What the checkout can build. */
  recipes: readonly BuildRecipe[];
}

/**
 * Plans an update. Looks at the checkout and the host, and changes neither.
 * @throws pulumi.RunError when the engine does not answer, images would be built on another one, or `settings.release`
 * names a release that cannot run.
 */
export function planDeployment(application: Application, settings: Settings, previous: Ledger): DeploymentPlan {
  const { images, recipes } = planImages(application, settings);
  const facts = hostFacts(
    settings,
    storeMark(storeName({ project: pulumi.getProject(), stack: pulumi.getStack() }), previous),
  );
  if (facts.engineProblem !== undefined) {
    throw engineError(settings.dockerHost, facts.engineProblem);
  }
  if (previous.root === settings.root && facts.rootIsEmpty()) {
    refuse([lostDisk(settings)]);
  }
  const gpus = planGpus(settings, facts.elsewhere);
  refuse([...tlsProblems(settings, facts.images), ...gpus.problems]);
  const { lock, baseImage, models, activeModel } = settings;
  const candidate = releaseOf({
    application: application.name,
    lock,
    baseImage,
    python: application.python,
    images,
    models,
    activeModel,
    created: new Date().toISOString(),
    git: gitCommit(settings.project),
  });
  const planned = planReleases(settings, previous, candidate, facts);
  const { gateway } = planned.sharedImages;
  const servedTls = previous.services.some(({ url }) => url.startsWith("https:"));
  if (gateway !== images.gateway && !servedTls) {
    refuse(newTls(settings));
  }
  if (!facts.elsewhere && planned.retained.images.some((image) => recipeFor(image, recipes, facts) !== undefined)) {
    checkBuildEngine(pulumi.getStack(), settings.dockerHost);
  }
  return {
    application,
    settings,
    facts,
    gpuRequest: gpus.request,
    rootChanged: previous.root !== undefined && previous.root !== settings.root,
    recipes,
    ...planned,
  };
}

/** Servers on a new store would answer without the documents, and hide what they then store below the mounted disk. */
function lostDisk({ root }: Settings): Problem {
  return {
    path: ["root"],
    received: root,
    reason:
      "is an empty directory, and the store of this stack was there: mount its disk. If the store is lost, remove the " +
      "directory; the next update begins a new one, without documents",
  };
}

/** A rollback keeps the gateway image that runs. One that has not served TLS yet may be older than that. */
function newTls({ services }: Settings): Problem[] {
  return services.flatMap(({ tls }, index) =>
    tls === undefined
      ? []
      : [
          {
            path: ["services", index, "tls"],
            reason:
              "a rollback keeps the image of the gateway, and the one that runs has not served TLS yet; " +
              "update from the checkout with tls first (without archon:release), then roll back",
          },
        ],
  );
}

/** How to build an image; undefined when the engine certainly has it, or when the checkout does not make it. */
export function recipeFor(
  reference: string,
  recipes: readonly BuildRecipe[],
  facts: HostFacts,
): BuildRecipe | undefined {
  return facts.imageConfirmed(reference) ? undefined : recipes.find((each) => each.reference === reference);
}

/** @throws pulumi.RunError when the host lacks something that the configuration needs */
function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) {
    throw configurationError(pulumi.getStack(), problems);
  }
}

function planReleases(settings: Settings, previous: Ledger, candidate: Release, facts: HostFacts): Plan {
  // An update from the checkout makes what is missing of the candidate, also for the earlier releases that share it.
  const fromCheckout = settings.release === "" || settings.release === candidate.id;
  const factsAfter = fromCheckout ? assumingBuilt(facts, candidate) : facts;
  const shared = previous.sharedImages;
  const sharedExist =
    shared !== undefined && [shared.bootstrap, shared.gateway].every((reference) => facts.imageMayExist(reference));
  try {
    return plan({
      candidate,
      releases: previous.releases,
      sharedImages: sharedExist ? shared : undefined,
      requestedId: settings.release,
      retain: settings.retain,
      unavailableReason: (release) =>
        otherApplication(candidate, release) ??
        missingRole(settings.services, release) ??
        unavailableReason(factsAfter, release),
    });
  } catch (error) {
    if (error instanceof PlanError) {
      throw configurationError(pulumi.getStack(), [
        { path: ["release"], received: settings.release, reason: error.message },
      ]);
    }
    throw error;
  }
}

/** A server of another application has other variables, mounts and health checks than those that the update gives it. */
function otherApplication(candidate: Release, release: Release): string | undefined {
  const [configured, other] = [candidate, release].map(({ application = "reference" }) => application);
  return configured === other ? undefined : `it runs the application ${other}, and archon:application is ${configured}`;
}

/** A release without the image of a role could not run its services. */
function missingRole(services: Settings["services"], release: Release): string | undefined {
  const images = runningImages(release);
  const missing = services.find(({ role }) => !images.has(role));
  return (
    missing && `it has no image for the role ${missing.role} of the service ${missing.name}; remove that service first`
  );
}

/** The images of the release that the checkout makes, and how to build those that are built here. */
function planImages(
  application: Application,
  settings: Settings,
): { images: Release["images"]; recipes: BuildRecipe[] } {
  const bootstrap = buildRecipe(IMAGES.bootstrap, settings);
  const gateway = buildRecipe(IMAGES.gateway, settings);
  const {
    images: { image: server, ...packages },
    recipes,
  } = planRole(application, settings, bootstrap);
  const roles = Object.entries(application.roles ?? {}).map(
    ([role, each]) => [role, planRole(each, settings, bootstrap)] as const,
  );
  return {
    images: {
      ...packages,
      server,
      bootstrap: bootstrap.reference,
      gateway: gateway.reference,
      ...(roles.length === 0 ? {} : { roles: Object.fromEntries(roles.map(([role, each]) => [role, each.images])) }),
    },
    recipes: [...recipes, ...roles.flatMap(([, each]) => each.recipes), bootstrap, gateway],
  };
}

interface PlannedRole {
  images: RoleImages;
  recipes: BuildRecipe[];
}

/** The images of a role of the application, and how to build those that are built here. */
function planRole({ image, packages }: Role, settings: Settings, bootstrap: BuildRecipe): PlannedRole {
  if ("reference" in image) {
    return { images: { image: image.reference }, recipes: [] };
  }
  const args = image.buildArguments(settings);
  if (packages === undefined) {
    const recipe = buildRecipe(image, settings, { args });
    return { images: { image: recipe.reference }, recipes: [recipe] };
  }
  const packagesImage = buildRecipe(packages, settings, { tools: { BOOTSTRAP_IMAGE: bootstrap.reference } });
  const recipe = buildRecipe(image, settings, { args, parents: { PACKAGES_IMAGE: packagesImage.reference } });
  return {
    images: { packages: packagesImage.reference, image: recipe.reference },
    recipes: [packagesImage, recipe],
  };
}
