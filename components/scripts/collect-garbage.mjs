#!/usr/bin/env node
// Reduces the GC roots of this stack to what it needs, and removes what nothing needs: from the store through
// store-job.sh, whose settings apply here too, and then from the engine the images that this stack kept and no stack
// keeps any more.
//   JOB_ROOT  the store on the host
//   JOB_TEXT  JSON of what to keep: images, environments, models
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { bindSources, LIST_LIVE_CONTAINERS, LIST_ROOTS, otherReferences } from "../../lib/collection-queries.cjs";

const attempts = 5;

/** Runs a program and returns its standard output; undefined when it fails. */
function output(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: "utf8", maxBuffer: 2 ** 30, ...options });
  return result.status === 0 ? result.stdout : undefined;
}

function docker(...args) {
  return output("docker", args, { stdio: ["ignore", "pipe", "ignore"] });
}

function fail(reason) {
  console.error(`${reason} Nothing was removed. Run the update again.`);
  process.exit(1);
}

function lines(text) {
  return text.split("\n").filter((line) => line !== "");
}

/** What one container has mounted. A server mounts all models at once: its labels say which of them it serves. */
function mountsOf({ Config, Mounts }) {
  const label = (name) => Config.Labels?.[`io.archon.${name}`] ?? "";
  return bindSources(Mounts).map((source) => ({
    path: source,
    stack: `${label("project")}-${label("stack")}`,
    models: label("models"),
  }));
}

/** What the engine says of every live container; undefined when it fails, or when one was removed in between. */
function inspectLive() {
  const ids = docker(...LIST_LIVE_CONTAINERS);
  if (ids === "") {
    return [];
  }
  const inspected = ids === undefined ? undefined : docker("inspect", "--type=container", ...lines(ids));
  return inspected === undefined ? undefined : JSON.parse(inspected);
}

/**
 * What every live container has mounted, no matter whose it is. With an incomplete list the store tool would remove
 * what a container uses, so the engine is asked again until the list is complete.
 */
function mounted() {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const containers = inspectLive();
    if (containers !== undefined) {
      return containers.flatMap(mountsOf);
    }
  }
  fail(
    "The mounts of the containers cannot be listed: containers start and stop too fast, or the engine does not answer.",
  );
}

/** The GC roots of the other stores on the engine, and where to mount them. */
function otherStores() {
  const listed = docker(...LIST_ROOTS);
  if (listed === undefined) {
    fail("The networks of the engine cannot be listed, and with them the other stores that use its images.");
  }
  return otherReferences(listed, process.env.JOB_ROOT);
}

const others = otherStores();
const report = output(fileURLToPath(new URL("store-job.sh", import.meta.url)), [], {
  stdio: ["ignore", "pipe", "inherit"],
  env: {
    ...process.env,
    JOB_OPTIONS: [
      process.env.JOB_OPTIONS,
      // Where another store was removed by hand, Docker makes an empty directory, which refers to nothing.
      ...others.map(({ source, target }) => `--volume=${source}:${target}:ro`),
    ].join("\n"),
    JOB_COMMAND: [process.env.JOB_COMMAND, ...others.flatMap(({ target }) => ["--also-references", target])].join("\n"),
    JOB_TEXT: JSON.stringify({
      keep: JSON.parse(process.env.JOB_TEXT),
      root: process.env.JOB_ROOT,
      mounted: mounted(),
    }),
  },
});
if (report === undefined) {
  process.exit(1);
}

// The last line is for this script, the others are for people.
const messages = lines(report);
const { images } = JSON.parse(messages.pop());
messages.forEach((line) => console.log(line));
for (const image of images) {
  // Never forced: an image that a container uses stays, and the next update tries again.
  if (docker("image", "rm", image) !== undefined) {
    console.log(`removed image ${image}`);
  }
}
