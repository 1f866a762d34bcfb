"use strict";
// Required before anything else, this leaves out most of what the packages load and nothing here uses, such as the
// package manager, the compiler and V8's debugger with which Pulumi serialises functions. Each module is loaded when
// something first uses it.

const Module = require("module");

/** What Pulumi needs only to serialise functions, for stack traces of its own files, and to send traces. */
const UNUSED = [
  "@npmcli/arborist",
  "normalize-package-data",
  "typescript",
  "source-map-support/register",
  "@opentelemetry/exporter-zipkin",
  "@opentelemetry/instrumentation",
  "@opentelemetry/instrumentation-grpc",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace-base",
  "@opentelemetry/sdk-trace-node",
];

exports.UNUSED = UNUSED;

/** @param more exports that are used without loading the module */
function loadWhenUsed(name, more = {}) {
  const known = { __esModule: true, ...more };
  const file = require.resolve(name, { paths: [require.resolve("@pulumi/pulumi")] });
  const lazy = new Module(file, module);
  const load = () => {
    if (require.cache[file] === lazy) {
      delete require.cache[file];
    }
    return require(file);
  };
  lazy.exports = new Proxy({}, { get: (_, key) => known[key] ?? load()[key] });
  lazy.loaded = true;
  require.cache[file] ??= lazy;
}

UNUSED.forEach((name) => loadWhenUsed(name));
// Before Pulumi starts a program, it waits until the debugger is connected, which slows down all that is loaded later.
loadWhenUsed("@pulumi/pulumi/runtime/closure/v8Hooks", { isInitializedAsync: () => Promise.resolve() });
// Commands use it, the program does not.
loadWhenUsed("@pulumi/pulumi/automation");
// Messages in sixty languages. The English ones are loaded by themselves.
loadWhenUsed("zod/v4/locales");
