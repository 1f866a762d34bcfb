import type { Application } from "../../applications/application";
import { applicationOf } from "../../applications/configured";
import type { Problem } from "../../config/problems";
import { configuredApplication } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";

/**
 * The application that a stack deploys. Its secret settings are not known here.
 * @throws UserError when its sources are not there
 */
export function stackApplication(stack: string): Application {
  const problems: Problem[] = [];
  const config = configuredApplication(stack);
  const application = applicationOf(config, { project: projectRoot, stack }, problems);
  if (application === undefined) {
    const [problem] = problems;
    throw new UserError(
      `The application of the stack "${stack}" cannot be used: archon:${problem?.path.map(String).join(".")} ${problem?.reason}.\n` +
        `Correct Pulumi.${stack}.yaml.`,
    );
  }
  return application;
}
