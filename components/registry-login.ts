import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type * as docker from "@pulumi/docker";

/**
 * Where the provider finds the login for the registry of an image, if there is any: in the file of the deployer's Docker
 * client, which `docker login` writes. The state holds the path of the file, and no password.
 * @param reference `repository@sha256:…`
 */
export function registryLogin(
  reference: string,
  environment: NodeJS.ProcessEnv = process.env,
): docker.types.input.ProviderRegistryAuth[] {
  const directory = environment["DOCKER_CONFIG"] || path.join(os.homedir(), ".docker");
  const configFile = path.join(directory, "config.json");
  return fs.existsSync(configFile) ? [{ address: registryOf(reference), configFile }] : [];
}

/** Docker's own registry, unless the first part of the reference is the name of a host. */
function registryOf(reference: string): string {
  const [host = "", ...rest] = reference.split("/");
  return rest.length > 0 && (/[.:]/.test(host) || host === "localhost") ? host : "registry-1.docker.io";
}
