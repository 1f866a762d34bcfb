"use strict";
// What can be made again is kept beside the packages: all checkouts that share the packages share it, and `npm ci` removes
// it with them.

const fs = require("fs");
const path = require("path");

/** A file or directory of the cache. */
exports.cached = function (name) {
  return path.resolve(__dirname, "..", "node_modules", ".cache", name);
};

/** What a file contains; undefined when there is none. */
exports.read = function (file) {
  return fs.existsSync(file) ? fs.readFileSync(file) : undefined;
};

/** Writes a file, if that is possible: the disk may be full, and the packages read-only for this user. */
exports.keep = function (file, data) {
  const partial = file + "." + process.pid;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(partial, data);
    fs.renameSync(partial, file);
  } catch (error) {
    // Errors of the file system have a code.
    if (error.code === undefined) {
      throw error;
    }
    fs.rmSync(partial, { force: true });
  }
};
