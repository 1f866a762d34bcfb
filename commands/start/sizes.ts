import * as fs from "node:fs";
import * as path from "node:path";
import { snapshotPath } from "../../release/release";
import { imageSize } from "../lib/docker";
import type { StackOutputs } from "./outputs";
import type { DeploymentSizes } from "./report";

/** Bytes that a deployment takes on disk, as far as this machine can see: the engine may be on another one. */
export async function deploymentSizes(outputs: StackOutputs, engineHost: string): Promise<DeploymentSizes> {
  // The environment lies in <root>/envs/<key>.
  const root = path.resolve(outputs.environment.path, "..", "..");
  return {
    image: await imageSize(outputs.images.server, engineHost),
    environment: directorySize(outputs.environment.path),
    models: new Map(outputs.models.map((model) => [model.name, directorySize(path.join(root, snapshotPath(model)))])),
  };
}

/** Bytes of all files below a directory, or undefined when it cannot be read. */
export function directorySize(directory: string): number | undefined {
  try {
    return fs
      .readdirSync(directory, { recursive: true, encoding: "utf8" })
      .map((name) => fs.lstatSync(path.join(directory, name)))
      .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
  } catch {
    return undefined;
  }
}
