"use strict";
// What Pulumi.yaml names as `main`: it starts `index.ts`, the program, in less than half the time that Pulumi's own way
// to read TypeScript takes (docs/decisions/16-start-of-the-program.md).

require("./lib/broken-output.cjs");
require("./lib/lean-pulumi.cjs");
require("./lib/typescript.cjs").readTypeScript();
module.exports = require("./index.ts");
