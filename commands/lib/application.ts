import type { Application } from "../../applications/application";
import { applicationOf } from "../../applications/configured";
import { mayBeSecret, type Problem } from "../../config/problems";
import { configuredApplication, configuredRoles } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";

/**
 * The application that a stack deploys. Its secret settings are not known here.
 * @throws UserError when its sources are not there
 */
export function stackApplication(stack: string): Application {
  const problems: Problem[] = [];
  const roles = configuredRoles(stack);
  const application = applicationOf(configuredApplication(stack), { project: projectRoot, stack, roles }, problems);
  if (application === undefined) {
    const reasons = problems
      .filter(({ path }) => !path.some(mayBeSecret))
      .map(({ path, reason }) => `  - archon:${path.map(String).join(".")}: ${reason}`);
    throw new UserError(
      `The application of the stack "${stack}" cannot be used:\n${reasons.join("\n")}\nCorrect Pulumi.${stack}.yaml.`,
    );
  }
  return application;
}
