"use strict";
// Lets `require` read the TypeScript of this checkout, for the commands and the Pulumi program. It checks no types:
// `npm run check` does.

const crypto = require("crypto");
const fs = require("fs");
const { SourceMap } = require("module");
const path = require("path");
const { cached, keep, read } = require("./package-cache.cjs");

const compilerOptions = { module: "commonjs", target: "es2022", esModuleInterop: true, inlineSourceMap: true };
const modules = path.resolve(__dirname, "..", "node_modules");

/** The compiled code of each file that was read. */
const compiledFiles = new Map();
/** The source map of each file that appeared in a stack trace. */
const sourceMaps = new Map();

exports.readTypeScript = function () {
  require.extensions[".ts"] = (module, file) => {
    const code = compile(file);
    compiledFiles.set(file, code);
    module._compile(code, file);
  };
  Error.prepareStackTrace = stackTrace;
};

/**
 * Loading the compiler takes longer than most commands, so its output for a file is cached by the hash of the file, for
 * all checkouts that share these packages. `npm ci` removes the cache together with the compiler.
 */
function compile(file) {
  const fileName = path.basename(file);
  const source = fs.readFileSync(file, "utf8");
  const hash = crypto.createHash("sha256").update(JSON.stringify([compilerOptions, fileName, source]));
  const compiled = cached(path.join("archon-typescript", hash.digest("hex") + ".js"));
  const code = read(compiled);
  if (code !== undefined) {
    return code.toString();
  }
  const compiler = require(path.join(modules, "typescript"));
  const options = { fileName, compilerOptions, reportDiagnostics: true };
  const { outputText, diagnostics } = compiler.transpileModule(source, options);
  if (diagnostics.length > 0) {
    throw new SyntaxError(diagnostics.map((diagnostic) => describe(diagnostic, file, compiler)).join("\n"));
  }
  keep(compiled, outputText);
  return outputText;
}

function describe(diagnostic, file, compiler) {
  const { line, character } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start);
  const text = compiler.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
  return file + ":" + (line + 1) + ":" + (character + 1) + ": " + text;
}

/**
 * A stack trace with the lines of the sources. Node.js would also read the source maps of all packages, and Pulumi asks
 * for a stack trace with every promise: a third of the time of a preview. It prints those only with
 * PULUMI_DEBUG_PROMISE_LEAKS.
 */
function stackTrace(error, frames) {
  if (frames[0]?.getFunctionName() === "debuggablePromise" && !process.env.PULUMI_DEBUG_PROMISE_LEAKS) {
    return "";
  }
  return [Error.prototype.toString.call(error), ...frames.map((frame) => "    at " + inSource(frame))].join("\n");
}

function inSource(frame) {
  const file = frame.getFileName();
  if (!compiledFiles.has(file)) {
    return String(frame);
  }
  if (!sourceMaps.has(file)) {
    const [, encoded] = compiledFiles.get(file).split("sourceMappingURL=data:application/json;base64,");
    sourceMaps.set(file, new SourceMap(JSON.parse(Buffer.from(encoded, "base64").toString())));
  }
  const { originalLine, originalColumn } = sourceMaps
    .get(file)
    .findEntry(frame.getLineNumber() - 1, frame.getColumnNumber() - 1);
  return originalLine === undefined
    ? String(frame)
    : String(frame).replace(/:\d+:\d+(?=\)?$)/, ":" + (originalLine + 1) + ":" + (originalColumn + 1));
}
