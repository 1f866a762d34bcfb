import * as os from "node:os";
import { isLocal } from "../../lib/host";
import { z } from "zod";
import { dockerEnvironment } from "../lib/docker";
import { bytes } from "../lib/render";
import { run } from "../lib/run";

const infoSchema = z.object({
  NCPU: z.number(),
  MemTotal: z.number(),
  OperatingSystem: z.string(),
  KernelVersion: z.string(),
  Architecture: z.string(),
  ServerVersion: z.string(),
  Driver: z.string(),
  DockerRootDir: z.string(),
});

/** The machine that a benchmark ran on: figures of another one cannot be compared with its own. */
export const machineSchema = z.object({
  /** Model of the processor; null for an engine on another machine, which does not say. */
  processor: z.string().nullable(),
  cores: z.number(),
  memoryBytes: z.number(),
  /** File system of the engine's images and containers; null for an engine on another machine. */
  disk: z.object({ fileSystem: z.string(), device: z.string(), bytes: z.number() }).nullable(),
  operatingSystem: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  /** Release of the Docker engine, and its storage driver. */
  engine: z.string(),
  storageDriver: z.string(),
});

export type BenchMachine = z.infer<typeof machineSchema>;

/** Describes the machine of an engine, as far as it says. */
export async function describeMachine(dockerHost: string): Promise<BenchMachine> {
  const environment = dockerEnvironment(dockerHost);
  const info = infoSchema.parse(JSON.parse(await run("docker", ["info", "--format", "{{json .}}"], { environment })));
  return {
    processor: isLocal(dockerHost) ? (os.cpus()[0]?.model ?? null) : null,
    cores: info.NCPU,
    memoryBytes: info.MemTotal,
    disk: isLocal(dockerHost) ? await diskOf(info.DockerRootDir) : null,
    operatingSystem: info.OperatingSystem,
    kernel: info.KernelVersion,
    architecture: info.Architecture,
    engine: info.ServerVersion,
    storageDriver: info.Driver,
  };
}

/** The file system of a directory; null where it cannot be seen. */
async function diskOf(directory: string): Promise<BenchMachine["disk"]> {
  const listed = await run("df", ["--output=fstype,source,size", "--block-size=1", directory]).catch(() => "");
  return parseDisk(listed);
}

/** Reads what `df --output=fstype,source,size` prints. */
export function parseDisk(listed: string): BenchMachine["disk"] {
  const [, fileSystem, device, size] = /^(\S+) +(\S+) +(\d+)$/m.exec(listed.split("\n").slice(1).join("\n")) ?? [];
  return fileSystem === undefined || device === undefined || size === undefined
    ? null
    : { fileSystem, device, bytes: Number(size) };
}

/** One line for people. */
export function machineLine({
  processor,
  cores,
  memoryBytes,
  disk,
  kernel,
  engine,
  storageDriver,
}: BenchMachine): string {
  return [
    `${processor ?? "processor not known"}, ${cores} cores`,
    `${bytes(memoryBytes)} of memory`,
    ...(disk === null ? [] : [`${disk.fileSystem} on ${disk.device}, ${bytes(disk.bytes)}`]),
    `Linux ${kernel}`,
    `Docker ${engine} (${storageDriver})`,
  ].join(" · ");
}
