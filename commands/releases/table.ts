import { imageVersion } from "../../lib/images";
import { runningImages, type Release } from "../../release/release";
import { age, table, truncate } from "../lib/render";

const messageColumns = 60;

/** The releases as a table, and below it why some of them cannot run again. */
export function describeReleases(releases: readonly Release[], running: string | undefined, now: Date): string[] {
  const rows = releases.map((release) => [
    release.id === running ? "▶" : "",
    release.id,
    release.created.replace(/\.\d+Z$/, "Z"),
    age(now.getTime() - Date.parse(release.created)),
    images(release),
    release.environment,
    models(release),
    release.lost === undefined ? "yes" : "no",
    truncate(
      [release.commit?.replace(/^(.{10})[0-9a-f]*/, "$1"), release.message]
        .filter((part) => part !== undefined)
        .join(" ") || "–",
      messageColumns,
    ),
  ]);
  const header = ["", "release", "created", "age", "image", "environment", "models", "restorable", "commit"];
  const losses = releases.flatMap(({ id, lost }) => (lost === undefined ? [] : [`${id}: ${lost}`]));
  return [...table([header, ...rows]), ...(losses.length === 0 ? [] : ["", ...losses])];
}

/** The version of the server's image; with further roles, that of each: `5278e51e28e1fea2 mcp@1a2f7aa136450c1d`. */
function images(release: Release): string {
  return [...runningImages(release)]
    .map(([role, reference]) => (role === "server" ? imageVersion(reference) : `${role}@${imageVersion(reference)}`))
    .join(" ");
}

/** `demo@1a2f7aa13645`, the default one marked where there are several. */
function models({ models: list, activeModel }: Release): string {
  const shown = list.map(
    ({ name, revision }) => `${name}@${revision.slice(0, 12)}${list.length > 1 && name === activeModel ? "*" : ""}`,
  );
  return shown.join(" ") || "–";
}
