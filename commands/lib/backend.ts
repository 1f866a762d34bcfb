import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse } from "yaml";
import { archonPath, cacheDirectory, projectRoot, stateHome } from "../../lib/paths";
import { embeddedState, isMade, readRecord, type EmbeddedState } from "./embedded-state";

/** What decided which backend is used. */
export type BackendSource = "PULUMI_BACKEND_URL" | "Pulumi.yaml" | "archon state move" | "embedded" | "pulumi login";

/** Where the state of the stacks is. */
export interface Backend {
  /** Such as `s3://bucket/path`, `https://api.pulumi.com`, or `file://` and an absolute path. */
  url: string;
  source: BackendSource;
  /** File with the passphrase of its secrets, for shells that set none; undefined if we know none. */
  passphraseFile: string | undefined;
  /** The backend that the user is logged in to, if another one is used. */
  ignoredLogin: string | undefined;
}

/**
 * The backend of every command. The order is Pulumi's own, and the checkout's state comes before a login, because a login
 * is one for all projects of a user: one that was made for another project must not hide what this checkout runs.
 *
 * 1. `PULUMI_BACKEND_URL`
 * 2. `backend.url` of Pulumi.yaml
 * 3. the state of this checkout: the embedded one, or where `archon state move` has moved it
 * 4. `pulumi login`, or `PULUMI_ACCESS_TOKEN`
 * 5. an embedded state that is still to be made
 *
 * @param base the environment of the command
 */
export function findBackend(base: NodeJS.ProcessEnv = process.env, checkout: string = projectRoot): Backend {
  const embedded = embeddedState(base, checkout);
  const movedTo = readRecord(embedded)?.movedTo;
  const login = loggedInTo(base);
  const chosen = choose(base, checkout, embedded, movedTo, login);
  const knowsPassphrase = chosen.source === "embedded" || chosen.url === movedTo;
  return {
    ...chosen,
    passphraseFile: knowsPassphrase ? embedded.passphraseFile : undefined,
    ignoredLogin: login === chosen.url ? undefined : login,
  };
}

function choose(
  base: NodeJS.ProcessEnv,
  checkout: string,
  embedded: EmbeddedState,
  movedTo: string | undefined,
  login: string | undefined,
): Pick<Backend, "url" | "source"> {
  const named = base.PULUMI_BACKEND_URL;
  if (named && !isEmbeddedUrl(named, base)) {
    return { url: absoluteUrl(named, base.INIT_CWD ?? process.cwd()), source: "PULUMI_BACKEND_URL" };
  }
  const committed = backendOfProject(checkout);
  if (committed !== undefined) {
    return { url: absoluteUrl(committed, checkout), source: "Pulumi.yaml" };
  }
  if (movedTo !== undefined) {
    return { url: movedTo, source: "archon state move" };
  }
  if (login !== undefined && !isMade(embedded)) {
    return { url: login, source: "pulumi login" };
  }
  return { url: `file://${embedded.backend}`, source: "embedded" };
}

/** The directory of a file backend; undefined for any other. Pulumi reads `~` as the user's home. */
export function fileBackendDirectory(url: string): string | undefined {
  if (!url.startsWith("file://")) {
    return undefined;
  }
  const [directory = ""] = url.slice("file://".length).split("?");
  return directory.startsWith("~") ? path.join(os.homedir(), directory.slice(1)) : path.resolve(directory);
}

/** Whether Pulumi keeps the state in files that it locks itself, and not in a service. */
export function isSelfManaged(url: string): boolean {
  return !/^https?:/.test(url);
}

/** The address of a backend for people: without credentials and parameters. */
export function displayUrl(url: string): string {
  return withoutCredentials(url).replace(/\?.*$/s, "");
}

/** The address of a backend for a command that a person runs, who has the credentials in the environment. */
export function withoutCredentials(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, "$1");
}

/**
 * What Pulumi needs to know of a backend: its address, the user's credentials for a service, and the passphrase. Does
 * not change `base`.
 */
export function withBackend(backend: Backend, base: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...base, PULUMI_BACKEND_URL: backend.url };
  if (!isSelfManaged(backend.url)) {
    environment.PULUMI_CREDENTIALS_PATH = credentialsDirectory(base);
  }
  // From `archon env`, it says nothing about the backend that is used now. Beside a shared one, the user has chosen it.
  const isFromEnv = !base.PULUMI_BACKEND_URL || isEmbeddedUrl(base.PULUMI_BACKEND_URL, base);
  const file = environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (file && isFromEnv && isEmbeddedFile(file, base)) {
    delete environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  }
  const isSet = environment.PULUMI_CONFIG_PASSPHRASE !== undefined || environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (backend.passphraseFile !== undefined && (backend.source === "embedded" || !isSet)) {
    environment.PULUMI_CONFIG_PASSPHRASE_FILE = backend.passphraseFile;
    // It would take precedence over the file.
    delete environment.PULUMI_CONFIG_PASSPHRASE;
  }
  return environment;
}

/** Directory of the user's `credentials.json`, whichever Pulumi the set-up chose. */
export function credentialsDirectory(base: NodeJS.ProcessEnv): string {
  const home = base.PULUMI_HOME;
  // In a shell that evaluated `archon env`, PULUMI_HOME is that of the tool chain.
  const isOurs = home?.startsWith(cacheDirectory(base) + path.sep) ?? true;
  return base.PULUMI_CREDENTIALS_PATH ?? (isOurs || !home ? path.join(base.HOME ?? os.homedir(), ".pulumi") : home);
}

/** The backend that the user is logged in to, as Pulumi itself would find it. */
function loggedInTo(base: NodeJS.ProcessEnv): string | undefined {
  return storedLogin(credentialsDirectory(base)) ?? (base.PULUMI_ACCESS_TOKEN ? serviceOf(base) : undefined);
}

function storedLogin(directory: string): string | undefined {
  try {
    const { current } = JSON.parse(fs.readFileSync(path.join(directory, "credentials.json"), "utf8")) as {
      current?: unknown;
    };
    return typeof current === "string" && current !== "" ? current : undefined;
  } catch {
    // Nobody has logged in, or only Pulumi can say what is wrong with the file.
    return undefined;
  }
}

function serviceOf(base: NodeJS.ProcessEnv): string {
  return base.PULUMI_API || "https://api.pulumi.com";
}

function backendOfProject(checkout: string): string | undefined {
  const file = path.join(checkout, "Pulumi.yaml");
  const settings = fs.existsSync(file)
    ? (parse(fs.readFileSync(file, "utf8")) as { backend?: { url?: string } | null } | null)
    : null;
  return settings?.backend?.url || undefined;
}

/** Pulumi takes a relative directory from Pulumi.yaml, or from the directory in which it was started. */
export function absoluteUrl(url: string, base: string): string {
  const [, directory, parameters = ""] = /^file:\/\/([^~/?][^?]*)(\?.*)?$/s.exec(url) ?? [];
  return directory === undefined ? url : `file://${path.resolve(base, directory)}${parameters}`;
}

/**
 * Whether an address is that of an embedded state, which a shell has from `archon env`. It says nothing about this
 * checkout: the shell may have it from another one.
 */
export function isEmbeddedUrl(url: string, base: NodeJS.ProcessEnv): boolean {
  const directory = fileBackendDirectory(url);
  return directory !== undefined && isEmbeddedFile(directory, base);
}

function isEmbeddedFile(file: string, base: NodeJS.ProcessEnv): boolean {
  const formerly = [archonPath("state"), archonPath("passphrase")].map((each) => path.relative(projectRoot, each));
  return file.startsWith(stateHome(base) + path.sep) || formerly.some((each) => file.endsWith(path.sep + each));
}
