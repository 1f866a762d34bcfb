import type { Command } from "commander";
import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../lib/command-line";
import { projectRoot } from "../lib/paths";
import { configurationPage } from "./docs/configuration-page";
import { examples } from "./lib/options";

export function define(command: Command): void {
  command.addHelpText("after", examples([archon("docs"), "after a change of Pulumi.yaml"])).action(() => {
    const page = configurationPage(fs.readFileSync(path.join(projectRoot, "Pulumi.yaml"), "utf8"));
    fs.writeFileSync(path.join(projectRoot, "docs", "configuration.md"), page);
  });
}
