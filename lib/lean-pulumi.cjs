"use strict";
// Required before @pulumi/pulumi, this halves the time that it takes to load. Pulumi needs a package manager, a compiler
// and V8's debugger only to serialise functions, OpenTelemetry only to send traces, and source maps only for stack traces
// of its own files. Each is loaded when something first uses it, which nothing here does.

const Module = require("module");

const UNUSED = [
  "@npmcli/arborist",
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
