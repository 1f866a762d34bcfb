import type { StackConfig } from "./schema";

/*
 * Which builds of torch an environment has. PyPI's torch for Linux needs CUDA and brings 4 GB of its packages, also to a
 * host without a GPU; PyTorch's own index has builds without.
 */

export type Accelerator = StackConfig["accelerator"];

/** PyTorch's index of builds without CUDA. */
const CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu";

/**
 * The lock file for an accelerator: `list.txt`, or for the processor alone `list.cpu.txt` beside it.
 * @param requirements path of the first, as `archon:requirements` names it
 */
export function lockFileFor(requirements: string, accelerator: Accelerator): string {
  return accelerator === "cpu" ? requirements.replace(/(\.txt)?$/, ".cpu.txt") : requirements;
}

/** The index that torch comes from; undefined when it is that of all packages. */
export function torchIndexFor({
  accelerator,
  torchIndex,
}: Pick<StackConfig, "accelerator" | "torchIndex">): string | undefined {
  return torchIndex || (accelerator === "cpu" ? CPU_TORCH_INDEX : undefined);
}

/** The indexes that are asked before `archon:pythonIndex` when packages of a lock file are installed. */
export function extraIndexes(config: Pick<StackConfig, "accelerator" | "torchIndex" | "pythonExtraIndexes">): string[] {
  return [...config.pythonExtraIndexes, torchIndexFor(config) ?? []].flat();
}

/** The names of the packages of a lock file that only a torch built with CUDA needs. */
export function cudaPackages(lock: string): string[] {
  return [...lock.matchAll(/^(nvidia-[\w.-]+|cuda-[\w.-]+|(?:pytorch-)?triton)==/gm)].flatMap(([, name]) => name ?? []);
}
