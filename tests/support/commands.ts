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

/** Puts the record of the tools and the passphrase of a copied checkout where its commands find them. */
export function prepareCommands(checkout: Checkout): void {
  fs.copyFileSync(toolsFile, path.join(checkout.directory, ".archon", "tools.json"));
  fs.writeFileSync(checkout.backend.PULUMI_CONFIG_PASSPHRASE_FILE, "test\n", { mode: 0o600 });
}

/** Runs `./archon NAME ARGS` in a copied checkout on the state of its stacks, without a terminal. */
export function command(checkout: Checkout, name: string, ...args: string[]): Outcome {
  return commandWith({}, checkout, name, ...args);
}

/** Like {@link command}, with more environment variables. An undefined one is not set. */
export function commandWith(
  variables: NodeJS.ProcessEnv,
  { directory, backend }: Checkout,
  name: string,
  ...args: string[]
): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join("commands", "launch.cjs"), name, ...args], {
    cwd: directory,
    encoding: "utf8",
    env: { ...process.env, CI: "true", ...backend, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { code: status, stdout, output: `${stdout}${stderr}` };
}
