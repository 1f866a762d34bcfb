import * as fs from "node:fs";
import * as path from "node:path";
import { configurationPage } from "./docs/configuration-page";
import { main } from "./lib/main";
import { projectRoot } from "../lib/paths";

main(async () => {
  const page = configurationPage(fs.readFileSync(path.join(projectRoot, "Pulumi.yaml"), "utf8"));
  fs.writeFileSync(path.join(projectRoot, "docs", "configuration.md"), page);
}, "npm run docs");
