const { default: Sequencer } = require("@jest/test-sequencer");

/** The files that take longest in their suite. If one of them started last, it would run alone at the end. */
const LONGEST = [
  "engine/rollout",
  "engine/releases",
  "engine/archon",
  "engine/failures",
  "engine/shared-state",
  "engine/full",
  "engine/services",
  "engine/hosts",
  "engine/doctor",
  "engine/faults",
  "engine/commands",
  "engine/identity",
  "engine/deploy",
  "unit/deployment",
  "unit/readiness-gate",
  "unit/setup-run",
  "unit/typescript",
].map((name) => `/tests/${name}.test.ts`);

/** Starts the longest files first, the others as jest would. */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const index = LONGEST.findIndex((file) => path.endsWith(file));
      return index === -1 ? LONGEST.length : index;
    };
    return super.sort(tests).sort((one, other) => rank(one) - rank(other));
  }
};
