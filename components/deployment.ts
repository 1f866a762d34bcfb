import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as path from "node:path";
import type { Service, Settings } from "../config";
import { releaseId } from "../release/release";
import { ArchonServer, serverVariables } from "./archon-server";
import { Environment } from "./environment";
import { Gateway } from "./gateway";
import { HostStore } from "./host-store";
import { Image } from "./image";
import { ModelSnapshot } from "./model-snapshot";
import { labels } from "./shared/containers";
import { contentArguments, IMAGES, indexArguments, type ImageDefinition } from "./shared/images";

/**
 * One stack: the store with its environment and model snapshots, the images, and for each service its servers behind a gateway.
 * Images, environments and snapshots stay on the host when the stack goes.
 */
export class Deployment extends pulumi.ComponentResource {
  /** Where the first service answers. */
  readonly url: string;
  /** Id of the release that runs. */
  readonly release: string;
  readonly environment: { key: string; path: string };
  readonly images: { bootstrap: string; server: string; gateway: string };
  readonly models: { name: string; repo: string; revision: string }[];
  readonly services: { name: string; url: string }[];
  /** Secret; undefined where none is required. */
  readonly apiToken: pulumi.Output<string> | undefined;

  constructor(name: string, settings: Settings, opts: pulumi.ComponentResourceOptions = {}) {
    const provider = new docker.Provider(`${name}-docker`, { host: settings.dockerHost }, opts.parent === undefined ? {} : { parent: opts.parent });
    super("archon:index:Deployment", name, {}, { ...opts, providers: { docker: provider } });
    const child = { parent: this };

    const image = (role: string, definition: ImageDefinition): Image => new Image(`${name}-${role}-image`, {
      ...definition,
      project: settings.project,
      contentArgs: contentArguments(settings.baseImage),
      otherArgs: indexArguments(settings),
      caBundle: settings.caBundle,
    }, child);
    const bootstrap = image("bootstrap", IMAGES.bootstrap);
    const server = image("server", IMAGES.server);
    const gateway = image("gateway", IMAGES.gateway);

    const job = { host: settings, bootstrapImage: bootstrap.reference };
    const store = new HostStore(`${name}-store`, { ...job, services: settings.services.map((service) => service.name) }, child);
    const inStore = { parent: this, dependsOn: store };
    const environment = new Environment(`${name}-environment`, {
      ...job,
      baseImage: settings.baseImage,
      lock: settings.lock,
      lockFile: path.resolve(settings.project, settings.requirements),
      imports: settings.imports,
      index: settings.pythonIndex,
      extraIndexes: settings.pythonExtraIndexes,
      wheelhouse: settings.wheelhouse,
    }, inStore);
    const snapshots = settings.models.map((model) => new ModelSnapshot(`${name}-model-${model.name}`, {
      ...job,
      repo: model.repo,
      revision: model.revision,
      directory: model.directory,
      hubEndpoint: settings.hubEndpoint,
      hubToken: settings.hubToken,
    }, inStore));

    this.release = releaseId({
      serverImage: server.plainReference,
      environment: environment.key,
      models: settings.models.map(reference),
      activeModel: settings.activeModel && reference(settings.activeModel),
    });
    this.apiToken = settings.requireToken ? pulumi.secret(new random.RandomPassword(`${name}-api-token`, { length: 40, special: false }, child).result) : undefined;
    const token: Record<string, pulumi.Input<string>> = this.apiToken === undefined ? {} : { ARCHON_API_TOKEN: this.apiToken };
    const release = { id: this.release, environment: environment.key, models: settings.models, activeModel: settings.activeModel?.name };

    const network = new docker.Network(`${name}-network`, { labels: labels("network") }, child);
    const run = (service: Service): string => {
      const alias = `archon-${service.name}`;
      const servers = Array.from({ length: service.replicas }, (_, index) => new ArchonServer(`${name}-${service.name}-${index}`, {
        host: settings,
        service: service.name,
        image: server.reference,
        network: network.name,
        alias,
        environmentPath: environment.path,
        dataDirectory: store.dataDirectory(service.name),
        variables: { ...serverVariables(release, service.name), ...token },
        memoryMiB: service.memoryMiB,
      }, { parent: this, dependsOn: [store, environment, ...snapshots] }));
      return new Gateway(`${name}-${service.name}-gateway`, { service: service.name, image: gateway.reference, network: network.name, alias, bind: service.bind, port: service.port }, { parent: this, dependsOn: servers }).url;
    };

    this.services = settings.services.map((service) => ({ name: service.name, url: run(service) }));
    this.url = this.services[0]?.url ?? "";
    this.environment = { key: environment.key, path: environment.path };
    this.images = { bootstrap: bootstrap.plainReference, server: server.plainReference, gateway: gateway.plainReference };
    this.models = settings.models.map(({ name: model, repo, revision }) => ({ name: model, repo, revision }));
    this.registerOutputs(this.outputs());
  }

  /** What a person or a script needs to know of the stack. The token is there only where one is required. */
  outputs(): pulumi.Inputs {
    const { url, release, environment, images, models, services, apiToken } = this;
    return { url, release, environment, images, models, services, ...(apiToken === undefined ? {} : { apiToken }) };
  }
}

function reference(model: { repo: string; revision: string }): string {
  return `${model.repo}@${model.revision}`;
}
