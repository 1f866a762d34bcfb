import * as path from "node:path";
import { projectRoot } from "../../lib/paths";

/** The release that is downloaded or built. `toolchain/` names the same versions; a unit test compares them. */
export const pulumiVersion = "3.259.0";

/** The oldest CLI on PATH that is used: the release of the SDK in package.json. */
export const minimumPulumiVersion = "3.248.0";

export interface Plugin {
  name: string;
  version: string;
}

export const plugins: readonly Plugin[] = [
  { name: "docker", version: "5.2.0" },
  { name: "random", version: "4.21.2" },
  { name: "command", version: "1.2.1" },
];

/** Directory of the Go modules that the tools are built from. */
export const toolchainSources = path.join(projectRoot, "toolchain");

/** The name by which Node.js and Pulumi's releases call this platform: `linux-x64`. */
export const platform = `${process.platform}-${process.arch}`;
