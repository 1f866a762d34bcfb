"use strict";
// What a garbage collection asks the engine, for the commands and for collect-garbage.mjs. Plain JavaScript, because
// that script runs without the TypeScript of the checkout.

const liveStates = ["created", "running", "restarting", "paused"];

exports.LIST_LIVE_CONTAINERS = [
  "ps",
  "--all",
  "--quiet",
  "--no-trunc",
  ...liveStates.map((state) => `--filter=status=${state}`),
];
