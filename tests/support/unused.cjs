"use strict";
// Replaces the modules that jest.config.js leaves out, because no test uses what Pulumi and zod need them for. jest loads
// every module again for each file, and these take two thirds of the time of @pulumi/pulumi (see lib/lazy-packages.cjs).

module.exports = {};
