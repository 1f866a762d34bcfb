import importX from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** Layers from top to bottom. What stands in one may import from its own and from those below it. */
const layers = ["./index.ts", "./components", "./applications", "./config", "./release", "./lib"];
const topDown = [...layers, "./commands"];

/**
 * For every layer those that it must not import: the ones above it, and the commands, which stand on top of all of
 * them.
 */
const zones = layers.map((target, index) => ({
  target,
  from: topDown.filter((other) => layers.indexOf(other) === -1 || layers.indexOf(other) < index),
  message:
    "Imports go down only: components, applications, config, release, lib; commands on top (docs/architecture.md).",
}));

export default tseslint.config(
  { ignores: ["**/node_modules/", ".archon/", "applications/reference/page/dist/"] },
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [...tseslint.configs.recommendedTypeChecked],
    plugins: { "import-x": importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      "import-x/resolver-next": [importX.createNodeResolver({ extensions: [".ts", ".tsx", ".js"] })],
      // Without these two no-cycle reads no TypeScript, and finds nothing.
      "import-x/extensions": [".ts", ".tsx"],
      "import-x/parsers": { "@typescript-eslint/parser": [".ts", ".tsx"] },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // Fakes of asynchronous dependencies have nothing to await.
      "@typescript-eslint/require-await": "off",
      "import-x/no-cycle": "error",
      "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones }],
    },
  },
  {
    // Nothing but its own folder and the index knows which application is deployed.
    files: ["components/**/*.ts", "config/**/*.ts", "release/**/*.ts", "lib/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: ["**/applications/*/**"], message: "Take an Application instead." }] },
      ],
    },
  },
);
