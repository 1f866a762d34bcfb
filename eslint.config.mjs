import importX from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** Layers from top to bottom. A file may import from its own layer and from those below it. */
const layers = ["./index.ts", "./components", "./applications", "./config", "./release", "./lib"];

/** What each layer must not import: the layers above it, and the commands, which may use all of them. */
const zones = layers.map((target, index) => ({
  target,
  from: [...layers.slice(0, index), "./commands"],
  message:
    "Imports go down only: components, applications, config, release, lib; commands on top (docs/architecture.md).",
}));

/** What the commands share does not know any of them, except for their list. */
const commandsLib = {
  target: "./commands/lib/!(command-list).ts",
  from: "./commands",
  except: ["./lib"],
  message: "commands/lib is below the other folders of commands.",
};

export default tseslint.config(
  { ignores: ["**/node_modules/", ".archon/", "applications/reference/page/dist/"] },
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [...tseslint.configs.recommendedTypeChecked],
    plugins: { "import-x": importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      "import-x/resolver-next": [importX.createNodeResolver({ extensions: [".ts", ".tsx", ".js"] })],
      // Without these two, no-cycle does not read TypeScript and finds nothing.
      "import-x/extensions": [".ts", ".tsx"],
      "import-x/parsers": { "@typescript-eslint/parser": [".ts", ".tsx"] },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // Fakes of asynchronous functions have nothing to await.
      "@typescript-eslint/require-await": "off",
      "import-x/no-cycle": "error",
      "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones: [...zones, commandsLib] }],
    },
  },
  {
    // Only the index and the commands know which application is deployed.
    files: ["components/**/*.ts", "config/**/*.ts", "release/**/*.ts", "lib/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            { group: ["**/applications/*/**", "**/applications/configured"], message: "Take an Application instead." },
          ],
        },
      ],
    },
  },
);
