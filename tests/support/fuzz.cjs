"use strict";
// `./archon test-soak` sets the number of examples of the property tests. Without it the library is not loaded here,
// because that takes time.
const { ARCHON_TEST_EXAMPLES, ARCHON_TEST_SEED } = process.env;
if (ARCHON_TEST_EXAMPLES !== undefined) {
  require("fast-check").configureGlobal({
    numRuns: Number(ARCHON_TEST_EXAMPLES),
    seed: Number(ARCHON_TEST_SEED ?? "0"),
  });
}
