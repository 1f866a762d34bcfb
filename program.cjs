"use strict";
// What Pulumi.yaml names as `main`: it starts `index.ts`, the program, in less than half the time that Pulumi's own way
// to read TypeScript takes (docs/decisions/16-start-of-the-program.md).

// The program ends before code that V8 has optimised would repay the time to optimise it.
require("v8").setFlagsFromString("--no-opt");
require("./lib/compile-cache.cjs");
require("./lib/broken-output.cjs");
require("./lib/lazy-packages.cjs");
require("./lib/typescript.cjs").readTypeScript();
module.exports = require("./index.ts");
