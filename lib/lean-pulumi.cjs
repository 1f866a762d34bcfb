"use strict";
// Required before @pulumi/pulumi, this halves the time that it takes to load. Pulumi needs a package manager and a compiler
// only to serialise functions, and OpenTelemetry only to send traces. Both are loaded when something first uses them, which
// nothing here does.

const Module = require("module");

const UNUSED = [
  "@npmcli/arborist",
  "typescript",
  "@opentelemetry/exporter-zipkin",
  "@opentelemetry/instrumentation",
  "@opentelemetry/instrumentation-grpc",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace-base",
  "@opentelemetry/sdk-trace-node",
];

exports.UNUSED = UNUSED;

for (const name of UNUSED) {
  const file = require.resolve(name, { paths: [require.resolve("@pulumi/pulumi")] });
  const lazy = new Module(file, module);
  const load = () => {
    if (require.cache[file] === lazy) {
      delete require.cache[file];
    }
    return require(file);
  };
  lazy.exports = new Proxy({}, { get: (_, key) => key === "__esModule" || load()[key] });
  lazy.loaded = true;
  require.cache[file] ??= lazy;
}
