import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { BuildRecipe } from "../lib/images";
import { containerProxies } from "../lib/proxies";

export interface ImageArgs {
  /** `repository:tag`, whose tag stands for everything that enters the image, or `repository@sha256:…`. */
  reference: string;
  /** How to build it; undefined for an image that the engine has, which is never built again, or that is pulled. */
  recipe: BuildRecipe | undefined;
}

/**
 * One image under a tag or digest that stands for its content, known in preview. Nothing is ever rebuilt under an old tag:
 * another content is another resource beside this one, and an image stays in the engine when its resource goes.
 */
export class Image extends pulumi.ComponentResource {
  readonly reference: pulumi.Output<string>;

  constructor(name: string, args: ImageArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Image", name, {}, opts);
    const image = new docker.RemoteImage(
      name,
      {
        name: args.reference,
        keepLocally: true,
        ...(args.recipe === undefined ? {} : { build: buildOf(args.recipe) }),
      },
      { parent: this, retainOnDelete: true, ignoreChanges: ["build"] },
    );
    this.reference = image.name;
    this.registerOutputs({ reference: this.reference });
  }
}

function buildOf({
  context,
  dockerfile,
  buildArgs,
  secrets,
  logFile,
}: BuildRecipe): docker.types.input.RemoteImageBuild {
  const proxies = Object.entries(containerProxies());
  return {
    context,
    dockerfile,
    // The addresses may hold passwords, and the state keeps the arguments.
    buildArgs: { ...buildArgs, ...Object.fromEntries(proxies.map(([key, value]) => [key, pulumi.secret(value)])) },
    buildLogFile: logFile,
    ...(Object.keys(secrets).length === 0
      ? {}
      : { secrets: Object.entries(secrets).map(([id, src]) => ({ id, src })) }),
  };
}
