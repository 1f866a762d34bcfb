/** `npm run check` finds type errors; the suites only run the code. */
const transform = {
  "^.+\\.ts$": ["@swc/jest", { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, sourceMaps: "inline" }],
};
const project = (name, more = {}) => ({
  displayName: name,
  testEnvironment: "node",
  testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
  transform,
  cacheDirectory: "<rootDir>/node_modules/.cache/jest",
  ...more,
});

module.exports = {
  // By default one processor would be left idle, which is half of two.
  maxWorkers: "100%",
  testSequencer: "<rootDir>/tests/support/longest-first.cjs",
  projects: [
    project("unit", { setupFiles: ["<rootDir>/tests/support/fuzz.cjs"] }),
    project("engine"),
    project("browser"),
  ],
};
