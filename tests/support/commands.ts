import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { toolsFile } from "../../lib/paths";
import type { Checkout } from "./engine";

export interface Outcome {
  code: number | null;
  stdout: string;
  /** Both streams. */
  output: string;
}

/** Puts the tools and the passphrase of a copied checkout where the set-up puts them, so that its commands find them. */
export function prepareCommands(checkout: Checkout): void {
  fs.copyFileSync(toolsFile, path.join(checkout.directory, ".archon", "tools.json"));
  fs.writeFileSync(path.join(checkout.directory, ".archon", "passphrase"), "test\n", { mode: 0o600 });
}

/** Runs `./archon NAME ARGS` in a copied checkout, without a terminal. */
export function command(checkout: Checkout, name: string, ...args: string[]): Outcome {
  return commandWith({}, checkout, name, ...args);
}

/** Like {@link command}, with more environment variables. */
export function commandWith(
  variables: NodeJS.ProcessEnv,
  checkout: Checkout,
  name: string,
  ...args: string[]
): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join("commands", "launch.cjs"), name, ...args], {
    cwd: checkout.directory,
    encoding: "utf8",
    env: { ...process.env, CI: "true", ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { code: status, stdout, output: `${stdout}${stderr}` };
}
