import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { MOUNTS } from "../../applications/application";
import { readArchonCheckout, UI } from "../../applications/archon/checkout";
import { packageName } from "../../applications/python/requirements";
import { ROLES, type ServiceRole } from "../../config/schema";
import { UserError } from "../../lib/errors";
import { readModelDirectory } from "../../lib/model-directory";

/** An environment in a directory: what `pip install --user` leaves. */
export interface MountedEnvironment {
  directory: string;
  /** Such as `3.11`. */
  python: string;
  /** Versions by normalised name. */
  packages: ReadonlyMap<string, string>;
}

/** One snapshot of a Hugging Face cache. */
export interface CachedModel {
  /** `Org/Name`. */
  repo: string;
  /** Commit, 40 hex digits. */
  revision: string;
  directory: string;
  bytes: number;
  /** Why it cannot be taken over; undefined when it can. */
  incomplete: string | undefined;
}

/** What a directory has of a server whose ML environment and models are mounted by hand. */
export interface MountedSetUp {
  /** Path of the checkout of Archon, if it is one. */
  checkout: string | undefined;
  environments: MountedEnvironment[];
  models: CachedModel[];
  services: ComposeService[];
}

/** A service of a compose file. */
export interface ComposeService {
  name: string;
  /** Which service of Archon it is; undefined for none. */
  role: ServiceRole | undefined;
  /** Port of the host that it publishes. */
  port: number | undefined;
  /** Compose starts it only with one of these; empty for one that it always starts. */
  profiles: string[];
}

/** Looks at a directory and at the host directories that its compose file mounts. Changes nothing. */
export function readMountedSetUp(directory: string): MountedSetUp {
  const compose = readCompose(directory);
  const mounted = (target: string, usual: string): string[] => [
    ...new Set([
      path.join(directory, usual),
      ...compose.mounts.filter((each) => each.target === target).map(({ source }) => source),
    ]),
  ];
  return {
    checkout: typeof readArchonCheckout(directory) === "string" ? undefined : directory,
    environments: mounted(MOUNTS.environment, "ml-env").flatMap(readEnvironment),
    models: mounted(MOUNTS.models, "models").flatMap(readCache),
    services: compose.services,
  };
}

const build = z.union([
  z.string().transform((context) => ({ context, dockerfile: "" })),
  z.object({ context: z.string().default(""), dockerfile: z.string().default("") }),
]);
const composeService = z
  .object({
    volumes: z.array(z.unknown()).default([]),
    ports: z.array(z.unknown()).default([]),
    profiles: z.array(z.string()).default([]),
    build: build.optional().catch(undefined),
  })
  .catch({ volumes: [], ports: [], profiles: [] });
const composeFile = z.object({ services: z.record(z.string(), composeService).catch({}) });

interface Compose {
  mounts: { source: string; target: string }[];
  services: ComposeService[];
}

function readCompose(directory: string): Compose {
  const file = ["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"]
    .map((name) => path.join(directory, name))
    .find((each) => fs.existsSync(each));
  if (file === undefined) {
    return { mounts: [], services: [] };
  }
  const { services } = composeFile.catch({ services: {} }).parse(readYaml(file));
  return {
    mounts: Object.values(services).flatMap(({ volumes }) => volumes.flatMap((each) => mountOf(directory, each))),
    services: Object.entries(services).map(([name, { ports, profiles, build: from }]) => ({
      name,
      role: composeRole(name, from),
      port: ports.map(hostPort).find((each) => each !== undefined),
      profiles,
    })),
  };
}

/** Which service of Archon one is: what it is built from says so, else its name. */
function composeRole(name: string, { context, dockerfile } = { context: "", dockerfile: "" }): ServiceRole | undefined {
  const built = /(?:^|\/)Dockerfile\.(server|mcp|agents)$/.exec(dockerfile)?.[1];
  const named = /^archon-(server|mcp|agents|ui|frontend)$|^frontend$/i.exec(name)?.[0].toLowerCase();
  const role = built ?? (path.basename(context) === UI ? "ui" : named?.replace(/^archon-/, ""));
  return role === "frontend" ? "ui" : ROLES.find((each) => each === role);
}

/** `./models:/root/.cache/huggingface:ro`; the long form of a volume counts too. */
function mountOf(directory: string, volume: unknown): { source: string; target: string }[] {
  const long = z.object({ source: z.string(), target: z.string() }).safeParse(volume).data;
  const [source, target] =
    long === undefined ? withDefaults(String(volume)).split(":") : [withDefaults(long.source), long.target];
  return source !== undefined && target !== undefined && /^[./~]/.test(source)
    ? [{ source: path.resolve(directory, source.replace(/^~(?=\/|$)/, os.homedir())), target }]
    : [];
}

/** Text of a compose file with the default of each variable in its place. */
function withDefaults(text: string): string {
  return text.replace(/\$\{\w+:-([^}]*)\}/g, "$1");
}

function readYaml(file: string): unknown {
  try {
    return parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    throw new UserError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** `8181:8181`, `127.0.0.1:8181:8181`, `${ARCHON_SERVER_PORT:-8181}:8181`, and the long form. */
function hostPort(port: unknown): number | undefined {
  const long = z.object({ published: z.coerce.string() }).safeParse(port).data;
  const text = withDefaults(long === undefined ? String(port) : `${long.published}:0`);
  const [, host] = /(?:^|:)(\d+):\d+(?:\/tcp)?$/.exec(text) ?? [];
  return host === undefined ? undefined : Number(host);
}

function readEnvironment(directory: string): MountedEnvironment[] {
  const library = path.join(directory, "lib");
  return entries(library).flatMap((name) => {
    const [, python] = /^python(3\.\d+)$/.exec(name) ?? [];
    const packages = entries(path.join(library, name, "site-packages")).flatMap((each) => {
      const [, distribution, version] = /^(.+?)-([^-]+)\.dist-info$/.exec(each) ?? [];
      return distribution === undefined || version === undefined ? [] : [[packageName(distribution), version] as const];
    });
    return python === undefined || packages.length === 0 ? [] : [{ directory, python, packages: new Map(packages) }];
  });
}

/** The snapshots below a cache directory, or below its `hub/`. */
function readCache(directory: string): CachedModel[] {
  return [directory, path.join(directory, "hub")].flatMap((hub) =>
    entries(hub).flatMap((folder) => {
      const [, organisation, name] = /^models--(.+?)--(.+)$/.exec(folder) ?? [];
      return organisation === undefined || name === undefined
        ? []
        : entries(path.join(hub, folder, "snapshots"))
            .filter((revision) => /^[0-9a-f]{40}$/.test(revision))
            .map((revision) => readSnapshot(`${organisation}/${name}`, revision, path.join(hub, folder)));
    }),
  );
}

function readSnapshot(repo: string, revision: string, folder: string): CachedModel {
  const directory = path.join(folder, "snapshots", revision);
  const { files, unusableLinks, pointers } = readModelDirectory(directory);
  const missing = missingShards(directory, files);
  const has = (pattern: RegExp): boolean => files.some((file) => pattern.test(file));
  const reasons = [
    unusableLinks.length > 0 ? `links that lead nowhere: ${unusableLinks.join(", ")}` : [],
    pointers.length > 0 ? `pointers of Git LFS instead of the files: ${pointers.join(", ")}` : [],
    missing.length > 0 ? `not downloaded: ${missing.join(", ")}` : [],
    has(/^config\.json$/) && has(/\.(safetensors|bin)$/) ? [] : "no config.json or no weights",
  ].flat();
  const [incomplete] = reasons;
  return {
    repo,
    revision,
    directory,
    bytes: files.reduce((sum, file) => sum + fs.statSync(path.join(directory, file)).size, 0),
    incomplete,
  };
}

/** Parts of the weights that an index names and the snapshot does not have. */
function missingShards(directory: string, files: readonly string[]): string[] {
  return files
    .filter((file) => /\.(safetensors|bin)\.index\.json$/.test(file))
    .flatMap((file) => {
      const index = weightsIndex.safeParse(readYaml(path.join(directory, file))).data;
      return [...new Set(Object.values(index?.weight_map ?? {}))];
    })
    .filter((shard) => !files.includes(shard));
}

const weightsIndex = z.object({ weight_map: z.record(z.string(), z.string()) });

function entries(directory: string): string[] {
  try {
    return fs.readdirSync(directory).sort();
  } catch {
    return [];
  }
}
