import { z } from "zod";

/** What `docker info` says of GPUs. */
export const gpuInfoSchema = z.object({
  /** Runtimes by name: a host with NVIDIA's container toolkit has `nvidia`. */
  Runtimes: z
    .record(z.string(), z.unknown())
    .nullish()
    .transform((runtimes) => Object.keys(runtimes ?? {})),
  /** Devices that a container may ask for by name (CDI), such as `nvidia.com/gpu=all`; since release 28.2. */
  DiscoveredDevices: z
    .array(z.object({ ID: z.string() }))
    .nullish()
    .transform((devices) => (devices ?? []).map(({ ID }) => ID)),
});

export type GpuInfo = z.infer<typeof gpuInfoSchema>;

/**
 * How a container asks an engine for its GPUs: every engine with NVIDIA's runtime takes the option `--gpus`. One that
 * only knows devices by name (CDI) wants that.
 */
export type GpuRequest = "gpus" | "cdi";

/** The name of all GPUs of a host. */
export const ALL_GPUS = "nvidia.com/gpu=all";

/** How a container asks this engine for its GPUs; undefined when it cannot give any. */
export function gpuRequest({ Runtimes, DiscoveredDevices }: GpuInfo): GpuRequest | undefined {
  if (Runtimes.includes("nvidia")) {
    return "gpus";
  }
  return DiscoveredDevices.includes(ALL_GPUS) ? "cdi" : undefined;
}

/** What makes an engine give GPUs to containers, on its host. */
export const GPU_TOOLKIT =
  "install nvidia-container-toolkit on that host, then " +
  "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker";
