import * as path from "node:path";
import type { ApplicationRole } from "../../application";
import { probe, temporaryDirectory, USER } from "../../python/application";

/** Where its files are, and what of them enters the image. */
interface UiSources {
  context: string;
  paths: readonly string[];
}

interface UiPlace {
  port: number;
  alias: string;
  /** Where it passes requests for data on to. */
  server: string;
}

/**
 * The user interface of a checkout: static files, which npm builds and nginx serves. The files ask for data at their own
 * address, so nginx passes these requests on to the server.
 */
export function uiRole({ context, paths }: UiSources, { port, alias, server }: UiPlace): ApplicationRole {
  return {
    image: {
      repository: alias,
      context,
      dockerfile: path.join(__dirname, "Dockerfile"),
      paths,
      browser: false,
      files: {
        "nginx-conf": path.join(__dirname, "nginx.conf"),
        "node-requirements": path.join(__dirname, "../../reference/requirements.page.txt"),
      },
      args: { PATHS: paths.join("\n"), PORT: String(port), SERVER: server },
      buildArguments: () => ({}),
    },
    port,
    user: USER,
    aliases: [alias],
    tmpfs: { "/tmp": temporaryDirectory(256) },
    variables: { reserved: [], of: () => ({}), certificates: [] },
    readiness: { command: ["bash", "-c", probe(port, { path: "/" })], path: "/", timeoutSeconds: 5 },
    stopSeconds: 30,
  };
}
