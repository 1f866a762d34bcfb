"use strict";
// Required before other modules, this keeps what V8 compiles of each of them for the next start, which then loads them in a
// sixth less time. Node.js can do that itself from version 22.8 on. V8's options must be set before: it uses nothing again
// that was compiled with others.

const crypto = require("crypto");
const Module = require("module");
const path = require("path");
const v8 = require("v8");
const vm = require("vm");
const { cached, keep, read } = require("./package-cache.cjs");

if (Module.enableCompileCache === undefined) {
  keepCompiledModules();
} else {
  Module.enableCompileCache(cached("node-modules"));
}

function keepCompiledModules() {
  const compiled = new Map();
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (code, file) {
    // A script that imports modules gets a warning from Node.js, and fails where V8 rejects what was kept.
    if (/\bimport\s*\(/.test(code)) {
      return compile.call(this, code, file);
    }
    const source = Module.wrap(code.replace(/^#!.*/, ""));
    const kept = keptFile(source);
    const cachedData = read(kept);
    const script = new vm.Script(source, {
      cachedData,
      filename: file,
      // A stack trace counts columns from the start of the module, without what wraps it.
      columnOffset: -Module.wrapper[0].length,
    });
    if (cachedData === undefined || script.cachedDataRejected) {
      compiled.set(kept, script);
    }
    const run = script.runInThisContext();
    return run.call(this.exports, this.exports, Module.createRequire(file), this, file, path.dirname(file));
  };
  // V8 compiles a function when it is first called, so the modules are kept at the end.
  process.on("exit", () => {
    compiled.forEach((script, kept) => keep(kept, script.createCachedData()));
  });
}

function keptFile(source) {
  const hash = crypto.createHash("sha1").update(source).digest("hex");
  return cached(path.join("compiled-modules", v8.cachedDataVersionTag().toString(16), hash));
}
