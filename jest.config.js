const transform = { "^.+\\.ts$": ["ts-jest", { diagnostics: false }] };

/** Type errors are the business of `npm run check`; the suites only run the code. */
module.exports = {
  projects: [
    { displayName: "unit", testEnvironment: "node", testMatch: ["<rootDir>/tests/unit/**/*.test.ts"], transform },
    { displayName: "engine", testEnvironment: "node", testMatch: ["<rootDir>/tests/engine/**/*.test.ts"], transform },
    { displayName: "browser", testEnvironment: "node", testMatch: ["<rootDir>/tests/browser/**/*.test.ts"], transform },
  ],
};
