"use strict";
// What a garbage collection asks the engine, for the commands and for collect-garbage.mjs. Plain JavaScript, because
// that script runs without the TypeScript of the checkout.

const path = require("node:path");

const rootLabel = "io.archon.root";

const liveStates = ["created", "running", "restarting", "paused"];

exports.LIST_LIVE_CONTAINERS = [
  "ps",
  "--all",
  "--quiet",
  "--no-trunc",
  ...liveStates.map((state) => `--filter=status=${state}`),
];

exports.bindSources = (mounts) => mounts.filter(({ Type }) => Type === "bind").map(({ Source }) => Source);

exports.LIST_ROOTS = ["network", "ls", `--filter=label=${rootLabel}`, "--format", `{{.Label "${rootLabel}"}}`];

exports.otherReferences = (listed, root) => {
  const roots = listed
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => path.resolve(line));
  return [...new Set(roots)]
    .filter((other) => other !== path.resolve(root))
    .sort()
    .map((other, index) => ({ source: path.join(other, "refs"), target: `/references/${index}` }));
};
