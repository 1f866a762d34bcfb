import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import { CommandError, run } from "../lib/run";

/** The fields of os-release(5) that matter here. */
export interface OsRelease {
  id: string;
  /** Distributions that this one is derived from: `debian` for a derivative of Debian. */
  idLike: readonly string[];
  codename: string | undefined;
  prettyName: string;
}

/** One line of apt's sources. */
export interface AptSource {
  uri: string;
  suite: string;
  components: readonly string[];
}

/** Reads the `NAME="value"` lines of an os-release file. */
export function parseOsRelease(text: string): OsRelease {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim());
    if (match?.[1] !== undefined) {
      fields.set(match[1], match[2] ?? match[3] ?? match[4] ?? "");
    }
  }
  return {
    id: fields.get("ID") ?? "linux",
    idLike: (fields.get("ID_LIKE") ?? "").split(" ").filter((part) => part !== ""),
    codename: fields.get("VERSION_CODENAME"),
    prettyName: fields.get("PRETTY_NAME") ?? process.platform,
  };
}

export function readOsRelease(): OsRelease {
  return parseOsRelease(fs.existsSync("/etc/os-release") ? fs.readFileSync("/etc/os-release", "utf8") : "");
}

/** Whether the system is Debian, Ubuntu or derived from one of them. */
export function hasApt(os: OsRelease): boolean {
  return [os.id, ...os.idLike].some((id) => id === "debian" || id === "ubuntu");
}

/** Reads the one-line format: `deb [arch=amd64] URI SUITE COMPONENT …`. */
export function parseSourcesList(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*(.*?)\s*(?:#.*)?$/.exec(line);
    const [, uri, suite, components] = match ?? [];
    return uri === undefined || suite === undefined ? [] : [{ uri, suite, components: words(components) }];
  });
}

/** Reads the deb822 format: stanzas of `Field: value`, continued by indented lines. */
export function parseDeb822Sources(text: string): AptSource[] {
  const withoutComments = text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n");
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const [, name, value] of stanza.matchAll(/^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)/gm)) {
      fields.set((name ?? "").toLowerCase(), value ?? "");
    }
    const enabled = !/^\s*(no|false|0|off|disable)\s*$/i.test(fields.get("enabled") ?? "");
    if (!enabled || !words(fields.get("types")).includes("deb")) {
      return [];
    }
    const components = words(fields.get("components"));
    return words(fields.get("uris")).flatMap((uri) =>
      words(fields.get("suites")).map((suite) => ({ uri, suite, components })),
    );
  });
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}

/** Every source that apt on this machine downloads from. */
export function readAptSources(directory = "/etc/apt"): AptSource[] {
  const more = path.join(directory, "sources.list.d");
  const names = fs.existsSync(more) ? fs.readdirSync(more).sort() : [];
  return [path.join(directory, "sources.list"), ...names.map((name) => path.join(more, name))]
    .filter((file) => fs.existsSync(file))
    .flatMap((file) => {
      const text = fs.readFileSync(file, "utf8");
      if (file.endsWith(".sources")) {
        return parseDeb822Sources(text);
      }
      return file.endsWith(".list") ? parseSourcesList(text) : [];
    });
}

/**
 * The mirror of Debian's main archive that this machine uses. It carries every current suite, not only this machine's.
 * Undefined on other distributions, or when apt uses a protocol that debootstrap does not.
 */
export function debianMirror(sources: readonly AptSource[], os: OsRelease): string | undefined {
  if (os.id !== "debian") {
    return undefined;
  }
  const suites = [os.codename, "stable", "oldstable", "testing", "unstable", "sid"];
  return sources.find(
    (source) => /^https?:\/\//.test(source.uri) && suites.includes(source.suite) && source.components.includes("main"),
  )?.uri;
}

export interface AptPackages {
  required: readonly string[];
  /** Installed only if this distribution has them: some split into several packages what others keep in one. */
  whereKnown?: readonly string[];
}

/**
 * Updates the package lists, announces the packages, and installs them with what they depend on.
 *
 * @param reason what they are for, for the announcement
 * @throws UserError with apt's own message
 */
export async function aptInstall(packages: AptPackages, reason: string, progress: Progress): Promise<void> {
  // dpkg must not be interrupted: a person would have to repair the half-configured packages.
  const unattended = {
    environment: { ...systemEnvironment(), DEBIAN_FRONTEND: "noninteractive" },
    uninterruptible: true,
  };
  progress.update(0, 100, "apt-get update");
  const listsFailure = await failureOf(run("apt-get", ["update", "-q"], { ...unattended, log: "apt-update" }));
  const optional = await Promise.all(
    (packages.whereKnown ?? []).map(async (name) => ((await aptKnows(name)) ? [name] : [])),
  );
  const names = [...packages.required, ...optional.flat()];
  progress.message(
    `${reason}: installing the system packages ${names.join(", ")} and what they depend on, with apt-get.`,
  );

  // The update fails if one repository is down, though the packages may come from another. So only the installation
  // counts.
  const failure = await failureOf(
    run(
      "apt-get",
      [
        "install",
        "-y",
        "--no-install-recommends",
        "-q",
        "-o",
        "DPkg::Lock::Timeout=120",
        "-o",
        "APT::Status-Fd=1",
        ...names,
      ],
      {
        ...unattended,
        log: "apt-install",
        onLine: (line) => {
          const status = /^(?:dl|pm)status:[^:]*:([\d.]+):(.*)$/.exec(line);
          if (status?.[1] !== undefined) {
            progress.update(Number(status[1]), 100, status[2] ?? "");
          }
        },
      },
    ),
  );
  if (failure !== undefined) {
    throw listsFailure === undefined
      ? failure
      : new UserError(
          `${failure.message}\nBefore that, the package lists could not be renewed: ${listsFailure.message}`,
        );
  }
}

/** The environment variables for root's tools: after `su`, their directories may be missing from PATH. */
export function systemEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` };
}

async function failureOf(work: Promise<unknown>): Promise<CommandError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof CommandError) {
      return error;
    }
    throw error;
  }
}

async function aptKnows(name: string): Promise<boolean> {
  return (await run("apt-cache", ["search", "--names-only", `^${name}$`])).trim() !== "";
}
