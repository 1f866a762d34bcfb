import type { Accelerator } from "../../config/accelerator";
import { GPU_TOOLKIT, type GpuInfo } from "../../lib/gpu";
import { ok, problem, warning, type Finding } from "./finding";

/** What a stack wants of GPUs. */
export interface GpuUse {
  accelerator: Accelerator;
  /** Names of the services that ask for one. */
  services: readonly string[];
}

/**
 * Whether the engine can give a GPU to a container, and whether the stack uses it.
 * @param driver release of NVIDIA's driver on the engine's host; null for a host without
 */
export function judgeGpu(
  { Runtimes, DiscoveredDevices }: GpuInfo,
  driver: string | null,
  { accelerator, services }: GpuUse,
): Finding {
  const devices = DiscoveredDevices.filter((device) => device.startsWith("nvidia.com/gpu"));
  const offers = [
    ...(Runtimes.includes("nvidia") ? ["the runtime nvidia"] : []),
    ...(devices.length > 0 ? [`the devices ${devices.join(", ")}`] : []),
  ];
  const asking = services.length === 0 ? "" : `, but a GPU is configured for ${services.join(", ")}`;
  const finding = asking === "" ? warning : problem;
  if (driver === null) {
    if (asking !== "") {
      return problem("gpu", `the engine's host has no NVIDIA driver${asking}`, `install it there; ${GPU_TOOLKIT}`);
    }
    const hint = accelerator === "cuda" ? "; archon:accelerator cpu makes their environment 4 GB smaller" : "";
    return ok("gpu", `the engine's host has no NVIDIA driver: models compute on its processors${hint}`);
  }
  if (offers.length === 0) {
    const found = `the engine's host has NVIDIA's driver ${driver}, but the engine cannot give a GPU to a container`;
    return finding("gpu", `${found}${asking}`, GPU_TOOLKIT);
  }
  const found = `NVIDIA's driver ${driver}; the engine offers ${offers.join(" and ")}`;
  if (services.length > 0) {
    return ok("gpu", `${found}; ${services.join(", ")} may use it`);
  }
  return accelerator === "cuda"
    ? ok("gpu", `${found}; no service of this stack asks for it (gpu: nvidia of archon:services)`)
    : ok("gpu", `${found}; the environment of this stack has no CUDA (archon:accelerator cpu)`);
}
