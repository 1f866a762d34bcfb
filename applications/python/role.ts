import type { ApplicationRole, PulledImage } from "../application";
import {
  CERTIFICATES,
  HOSTS,
  importCheck,
  lines,
  packagesImage,
  probe,
  sourcesImage,
  temporaryDirectory,
  USER,
  type PythonSources,
} from "./application";

/** A Python program that runs beside a server, without an environment and models. */
export interface PythonRole {
  /** What its image is built from, or the image. */
  image: RoleSources | PulledImage;
  /** Port that it listens on, on all addresses of its container. */
  port: number;
  /** The path that answers 200 when it is ready; undefined for one that shows it by listening. */
  health: string | undefined;
  aliases: readonly string[];
  /** Environment variables that it needs to run like this. A stack cannot set them. */
  variables: Readonly<Record<string, string>>;
  /** See {@link ApplicationRole}. @default replicas are sound */
  soleReplica?: string;
}

/** What the image of a Python role is built from. */
export interface RoleSources {
  /** Repository of its image. */
  repository: string;
  sources: Omit<PythonSources, "environment" | "startupModule">;
  /** The module that it runs. An update tries to import it before it touches any container. */
  module: string;
  /** Directory for its list of requirements and its lock file, relative to the checkout. */
  lockDirectory: string;
  /** Only packages that were published until the end of this day fit; see {@link ApplicationRole}. */
  until: () => string | undefined;
}

/** Describes a Python program as a role. Like a server's, its packages have an image of their own, unless it is pulled. */
export function pythonRole(role: PythonRole): ApplicationRole {
  const { image, port, health, soleReplica } = role;
  // Many libraries write to the home when they are imported.
  const set = { HOME: "/tmp", PORT: String(port), ...role.variables };
  return {
    ...("reference" in image ? { image } : builtFrom(image)),
    port,
    user: USER,
    aliases: role.aliases,
    tmpfs: { "/tmp": temporaryDirectory(256) },
    hosts: HOSTS,
    variables: {
      reserved: [...Object.keys(set), ...CERTIFICATES],
      of: () => set,
      certificates: CERTIFICATES,
    },
    readiness:
      health === undefined
        ? {
            command: ["bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}`],
            path: "/",
            connectOnly: true,
            timeoutSeconds: 5,
          }
        : { command: ["bash", "-c", probe(port, { path: health })], path: health, timeoutSeconds: 5 },
    stopSeconds: 30,
    ...(soleReplica === undefined ? {} : { soleReplica }),
  };
}

function builtFrom({
  repository,
  sources,
  module,
  lockDirectory,
  until,
}: RoleSources): Pick<ApplicationRole, "image" | "packages" | "requirements" | "importCheck"> {
  const list = `${lockDirectory}/requirements`;
  return {
    image: sourcesImage(repository, sources),
    packages: packagesImage(list),
    requirements: { list, text: () => lines([...sources.requirements()].sort()), until },
    importCheck: importCheck([module]),
  };
}
