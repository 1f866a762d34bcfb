"use strict";
// Starts the Pulumi program for the language host that is built here. That host is older than Pulumi.yaml's options: it
// never sees `typescript: false`, and Pulumi would load a compiler that a program in JavaScript does not use.

if (process.argv.at(-1).endsWith(".cjs")) {
  delete process.env.PULUMI_NODEJS_TYPESCRIPT;
  // As in program.cjs, which is too late for Pulumi's own modules.
  require("v8").setFlagsFromString("--no-opt");
  require("../lib/compile-cache.cjs");
}
// Pulumi loads the packages that send traces before the program, so they can be left out only here.
require("../lib/lazy-packages.cjs");
require("@pulumi/pulumi/cmd/run");
