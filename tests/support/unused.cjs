"use strict";
// Replaces modules that no test uses (jest.config.js). jest loads every module again for each file, and these take two
// thirds of the time of @pulumi/pulumi (see lib/lazy-packages.cjs).

module.exports = {};
