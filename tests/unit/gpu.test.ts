import { judgeGpus } from "../../components/gpu-preflight";
import type { Settings } from "../../config/load";
import { gpuInfoSchema, gpuRequest } from "../../lib/gpu";

/**
 * Proves how a container asks each kind of engine for a GPU, and what is said of one that has none. That a container gets
 * it, only a host with a GPU proves.
 */
// From `docker info --format '{{json .}}'`, shortened.
const engines = {
  plain: { Runtimes: { runc: { path: "runc" } } },
  runtime: {
    Runtimes: { nvidia: { path: "nvidia-container-runtime" }, runc: { path: "runc" } },
    DiscoveredDevices: null,
  },
  cdi: {
    Runtimes: { runc: {} },
    DiscoveredDevices: [
      { Source: "cdi", ID: "nvidia.com/gpu=0" },
      { Source: "cdi", ID: "nvidia.com/gpu=all" },
    ],
  },
  both: { Runtimes: { nvidia: {} }, DiscoveredDevices: [{ Source: "cdi", ID: "nvidia.com/gpu=all" }] },
  others: { Runtimes: null, DiscoveredDevices: [{ Source: "cdi", ID: "amd.com/gpu=all" }] },
};
const info = (engine: keyof typeof engines): ReturnType<typeof gpuInfoSchema.parse> =>
  gpuInfoSchema.parse(engines[engine]);

test.each([
  ["plain", undefined],
  ["runtime", "gpus"],
  ["cdi", "cdi"],
  ["both", "gpus"],
  ["others", undefined],
] as const)("of an engine of kind %s it is asked for by %s", (engine, request) => {
  expect(gpuRequest(info(engine))).toBe(request);
});

test("every service with a GPU is named on an engine without one, with what its host lacks", () => {
  const settings = {
    dockerHost: "ssh://prod",
    services: [{ gpu: "none" }, { gpu: "nvidia" }, { gpu: "nvidia" }],
  } as unknown as Settings;
  const { request, problems } = judgeGpus(settings, info("plain"));
  expect(request).toBeUndefined();
  expect(problems.map(({ path, received }) => [path, received])).toEqual([
    [["services", 1, "gpu"], "nvidia"],
    [["services", 2, "gpu"], "nvidia"],
  ]);
  expect(problems[0]?.reason).toContain("nvidia-ctk runtime configure --runtime=docker");
  expect(judgeGpus(settings, info("cdi"))).toEqual({ request: "cdi", problems: [] });
});
