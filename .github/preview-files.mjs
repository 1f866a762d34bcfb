#!/usr/bin/env node
// Reads and writes the JSON and YAML files of preview.sh.
//   tool KEY                prints a path of the Pulumi that the set-up chose; nothing if it has none
//   add-salt EXPORT FILE    adds the passphrase's salt of an exported state to a stack's file that has none
//   error-preview           turns the text on standard input into a preview with this one error
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";

const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

const commands = {
  tool(key) {
    console.log(readJson(".archon/tools.json").tools[key] ?? "");
  },
  "add-salt"(exported, file) {
    const salt = readJson(exported).deployment.secrets_providers?.state?.salt;
    const settings = parse(existsSync(file) ? readFileSync(file, "utf8") : "") ?? {};
    if (salt !== undefined && settings.encryptionsalt === undefined) {
      // JSON is YAML too.
      writeFileSync(file, JSON.stringify({ ...settings, encryptionsalt: salt }));
    }
  },
  "error-preview"() {
    console.log(JSON.stringify({ diagnostics: [{ severity: "error", message: readFileSync(0, "utf8") }] }));
  },
};

const [, , command, ...args] = process.argv;
commands[command](...args);
