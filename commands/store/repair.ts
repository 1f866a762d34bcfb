import { extraIndexes } from "../../config/accelerator";
import { configuredModels, packageIndexes, explicitValue } from "../../config/stack";
import { snapshotOf } from "../../release/release";

/** Where the repair of a stack's store downloads from. */
export interface Sources {
  /** Options of the store tool: indexes, wheels, hub, mirrors. */
  options: string[];
  /** Directories of the host to mount read-only: source by target. */
  mounts: ReadonlyMap<string, string>;
  /** Models that come from a directory of the checkout, by their name in the store. */
  directories: ReadonlyMap<string, string>;
}

/** The sources that a stack is configured with. */
export function sourcesOf(stack: string): Sources {
  const indexes = packageIndexes(stack);
  const wheelhouse = explicitValue("wheelhouse", stack) ?? "";
  const endpoint = explicitValue("hubEndpoint", stack) ?? "";
  const mirrors = explicitValue("hubMirrors", stack) ?? [];
  return {
    options: [
      ...(indexes.pythonIndex === "" ? [] : [`--index=${indexes.pythonIndex}`]),
      ...extraIndexes(indexes).map((url) => `--extra-index=${url}`),
      ...(wheelhouse === "" ? [] : ["--wheelhouse=/wheelhouse"]),
      ...(endpoint === "" ? [] : [`--endpoint=${endpoint}`]),
      ...mirrors.map((url) => `--mirror=${url}`),
    ],
    mounts: new Map(wheelhouse === "" ? [] : [["/wheelhouse", wheelhouse]]),
    directories: new Map(
      configuredModels(stack).flatMap((model) =>
        model.directory === undefined ? [] : [[`models/${snapshotOf(model)}`, model.directory]],
      ),
    ),
  };
}
