"use strict";
// `npm run test:soak` asks for more examples than the tests themselves do. The library is not loaded otherwise: that
// takes time.
const { ARCHON_TEST_EXAMPLES, ARCHON_TEST_SEED } = process.env;
if (ARCHON_TEST_EXAMPLES !== undefined) {
  require("fast-check").configureGlobal({
    numRuns: Number(ARCHON_TEST_EXAMPLES),
    seed: Number(ARCHON_TEST_SEED ?? "0"),
  });
}
