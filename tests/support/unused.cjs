"use strict";
// Stands for what Pulumi would use to serialise functions and to send traces. The tests do neither, and jest loads every
// module anew for each file: two thirds of the time that @pulumi/pulumi takes (see lib/lean-pulumi.cjs).

module.exports = {};
