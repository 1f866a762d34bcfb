import type { Accelerator } from "../../config/accelerator";
import type { EngineInfo } from "../setup/engine-check";
import { ok, warning, type Finding } from "./finding";

/**
 * Whether the engine can give a GPU to a container, and whether the stack's environment has what uses it.
 * @param driver release of NVIDIA's driver on the engine's host; null for a host without
 */
export function judgeGpu(
  { Runtimes, DiscoveredDevices }: Pick<EngineInfo, "Runtimes" | "DiscoveredDevices">,
  driver: string | null,
  accelerator: Accelerator,
): Finding {
  const devices = DiscoveredDevices.filter((device) => device.startsWith("nvidia.com/gpu"));
  const offers = [
    ...(Runtimes.includes("nvidia") ? ["the runtime nvidia"] : []),
    ...(devices.length > 0 ? [`the devices ${devices.join(", ")}`] : []),
  ];
  if (driver === null) {
    const hint = accelerator === "cuda" ? "; archon:accelerator cpu makes their environment 4 GB smaller" : "";
    return ok("gpu", `the engine's host has no NVIDIA driver: models compute on its processors${hint}`);
  }
  if (offers.length === 0) {
    return warning(
      "gpu",
      `the engine's host has NVIDIA's driver ${driver}, but the engine cannot give a GPU to a container`,
      "install nvidia-container-toolkit on that host, then sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    );
  }
  const found = `NVIDIA's driver ${driver}; the engine offers ${offers.join(" and ")}`;
  return accelerator === "cuda"
    ? ok("gpu", found)
    : ok("gpu", `${found}; the environment of this stack has no CUDA (archon:accelerator cpu)`);
}
