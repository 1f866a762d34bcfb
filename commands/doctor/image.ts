import { archon } from "../../lib/command-line";
import type { Layer } from "../lib/docker";
import { bytes, truncate } from "../lib/render";
import { ok, warning, type Finding } from "./finding";

/** An image without an ML environment stays below this, as the plan of this project asks (docs/requirements.md). */
const LARGEST_IMAGE = 2e9;

/** How many layers a finding names. */
const shownLayers = 3;
const instructionColumns = 60;

/** Whether an image carries what belongs into the store. */
export function judgeImage(reference: string, layers: readonly Layer[]): Finding {
  const size = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  const found = `${reference} takes ${bytes(size)}`;
  if (size <= LARGEST_IMAGE) {
    return ok("image", found);
  }
  const largest = [...layers]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, shownLayers)
    .map((layer) => `${bytes(layer.bytes)} ${truncate(layer.instruction, instructionColumns)}`);
  return warning(
    "image",
    `${found}; its largest layers: ${largest.join("; ")}`,
    `docker history --no-trunc ${reference}\nmove large packages from the image's list of requirements to the environment's, then ${archon("lock")}`,
  );
}
