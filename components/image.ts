import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as path from "node:path";
import { contentTag } from "./shared/build-context";

export interface ImageArgs {
  /** Repository part of the reference, such as `archon-server`. */
  repository: string;
  /** Absolute path of the checkout, whose `python/` is the build context. It may change without rebuilding anything. */
  project: string;
  /** Relative to the context. */
  dockerfile: string;
  /** Build arguments that decide on the content. A changed one is another tag, so another image. */
  contentArgs: Readonly<Record<string, string>>;
  /** Build arguments that do not, such as the address of an index. @default none */
  otherArgs?: Readonly<Record<string, string>>;
  /** PEM file that the build trusts, given as a build secret so that it is in no layer. Takes no part in the tag. @default none */
  caBundle: string | undefined;
}

/**
 * One image under a tag that stands for everything that enters it, known in preview. Nothing is ever rebuilt under an old tag:
 * another content is another resource beside this one, and an image stays in the engine when its resource goes.
 */
export class Image extends pulumi.ComponentResource {
  /** `repository:tag`. */
  readonly reference: pulumi.Output<string>;
  /** The same as plain text, for keys that preview must know. */
  readonly plainReference: string;

  constructor(name: string, args: ImageArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Image", name, {}, opts);
    const context = path.join(args.project, "python");
    const tag = contentTag(context, args.dockerfile, args.contentArgs);
    this.plainReference = `${args.repository}:${tag}`;
    const image = new docker.RemoteImage(`${name}-${tag}`, {
      name: this.plainReference,
      keepLocally: true,
      build: {
        context,
        dockerfile: args.dockerfile,
        buildArgs: { ...args.contentArgs, ...args.otherArgs },
        buildLogFile: path.join(args.project, ".archon", "logs", `build-${args.repository}.log`),
        ...(args.caBundle === undefined ? {} : { secrets: [{ id: "ca-bundle", src: args.caBundle }] }),
      },
    }, { parent: this, retainOnDelete: true, ignoreChanges: ["build"] });
    this.reference = image.name;
    this.registerOutputs({ reference: this.reference });
  }
}
