import type { Settings } from "../config/load";
import type { Problem } from "../config/problems";
import { GPU_TOOLKIT, gpuInfoSchema, gpuRequest, type GpuInfo, type GpuRequest } from "../lib/gpu";
import { ANSWER_SECONDS, requireOfEngine } from "./engine";

/** How the servers of a stack ask its engine for GPUs; undefined where none asks. */
export interface GpuPlan {
  request: GpuRequest | undefined;
  problems: Problem[];
}

/** @param elsewhere whether the engine is out of reach. Then it counts as one with NVIDIA's runtime, as most are. */
export function planGpus(settings: Settings, elsewhere: boolean): GpuPlan {
  if (!settings.services.some(({ gpu }) => gpu === "nvidia")) {
    return { request: undefined, problems: [] };
  }
  return elsewhere ? { request: "gpus", problems: [] } : judgeGpus(settings, readInfo(settings.dockerHost));
}

export function judgeGpus({ services, dockerHost }: Pick<Settings, "services" | "dockerHost">, info: GpuInfo): GpuPlan {
  const request = gpuRequest(info);
  const problems = services.flatMap(({ gpu }, index) =>
    gpu === "none" || request !== undefined
      ? []
      : [
          {
            path: ["services", index, "gpu"],
            received: gpu,
            reason:
              `the Docker engine at ${dockerHost} cannot give a GPU to a container: it has neither the runtime nvidia ` +
              `nor devices named nvidia.com/gpu (CDI). With NVIDIA's driver on its host, ${GPU_TOOLKIT}; else remove gpu`,
          },
        ],
  );
  return { request, problems };
}

function readInfo(dockerHost: string): GpuInfo {
  return gpuInfoSchema.parse(
    JSON.parse(requireOfEngine(dockerHost, ["info", "--format", "{{json .}}"], ANSWER_SECONDS)),
  );
}
