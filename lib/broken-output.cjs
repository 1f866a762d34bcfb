"use strict";

/*
 * Ends this process once nobody reads its output any more: the Pulumi CLI that started it was killed. Pulumi's handler of
 * uncaught errors would log the failure to print, which fails again, for ever, with one processor and ever more memory.
 */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", () => process.exit(1));
}
