"use strict";
// Replaces the packages with which Pulumi serialises functions and sends traces. The tests do neither. jest loads every
// module again for each file, and these take two thirds of the time of @pulumi/pulumi (see lib/lazy-packages.cjs).

module.exports = {};
