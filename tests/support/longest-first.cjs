const { default: Sequencer } = require("@jest/test-sequencer");

/** Files that take minutes. If one of them started last, it would run alone at the end. */
const LONGEST = [
  "rollout",
  "releases",
  "archon",
  "failures",
  "shared-state",
  "full",
  "services",
  "hosts",
  "doctor",
  "faults",
  "commands",
  "identity",
  "deploy",
].map((name) => `/tests/engine/${name}.test.ts`);

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
