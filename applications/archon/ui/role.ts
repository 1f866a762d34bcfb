import * as path from "node:path";
import type { ApplicationImage, ApplicationRole, PulledImage } from "../../application";
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
export function uiRole(ui: UiSources | PulledImage, place: UiPlace): ApplicationRole {
  const { port, alias } = place;
  return {
    image: "reference" in ui ? ui : builtFrom(ui, place),
    port,
    user: USER,
    aliases: [alias],
    tmpfs: { "/tmp": temporaryDirectory(256) },
    variables: { reserved: [], of: () => ({}), certificates: [] },
    readiness: { command: ["bash", "-c", probe(port, { path: "/" })], path: "/", timeoutSeconds: 5 },
    stopSeconds: 30,
  };
}

function builtFrom({ context, paths }: UiSources, { port, alias, server }: UiPlace): ApplicationImage {
  return {
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
  };
}
