const os = require("node:os");
const { UNUSED } = require("./lib/lazy-packages.cjs");

/** `npm run check` finds type errors; the suites only run the code. */
const transform = {
  "^.+\\.ts$": ["@swc/jest", { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, sourceMaps: "inline" }],
};
const project = (name, more = {}) => ({
  displayName: name,
  testEnvironment: "node",
  testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
  transform,
  moduleNameMapper: Object.fromEntries(
    [
      ...UNUSED.map((name) => `^${name}$`),
      // What Pulumi's main module exports; our own code imports it by its full name.
      "^\\./automation$",
      // Zod's messages in sixty languages.
      "^\\.\\./locales/index\\.cjs$",
    ].map((pattern) => [pattern, "<rootDir>/tests/support/unused.cjs"]),
  ),
  cacheDirectory: "<rootDir>/node_modules/.cache/jest",
  ...more,
});

module.exports = {
  // Tests wait for the programs that they start. By default jest leaves one processor idle, half of two.
  maxWorkers: os.availableParallelism() + 1,
  // The default of five seconds is too short beside something that takes the processors.
  testTimeout: 60_000,
  testSequencer: "<rootDir>/tests/support/longest-first.cjs",
  projects: [
    project("unit", { setupFiles: ["<rootDir>/tests/support/fuzz.cjs"] }),
    project("engine"),
    project("browser"),
  ],
};
