import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { buildCommand, searchPath } from "../lib/images";
import { currentTools } from "../setup/ensure";
import { ok, problem, type Finding } from "./finding";

/** The programs of this machine that every command needs. */
export async function checkTools(): Promise<Finding[]> {
  return [ok("node", `Node.js ${process.versions.node}`), await checkClient(), checkPulumi()];
}

async function checkClient(): Promise<Finding> {
  try {
    return ok("docker client", `\`${(await buildCommand(searchPath())).join(" ")}\` builds images`);
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error;
    }
    const [reason = "", remedy = archon("setup")] = error.message.split("\n");
    return problem("docker client", reason, remedy);
  }
}

function checkPulumi(): Finding {
  const tools = currentTools();
  return tools === undefined
    ? problem("pulumi", "this checkout is not set up: it has no Pulumi, or one of other releases", archon("setup"))
    : ok("pulumi", `${tools.version} (${tools.origin})`);
}
