import * as pulumi from "@pulumi/pulumi";

/** One thing that is wrong with the configuration. */
export interface Problem {
  /** Configuration key with the path inside it, such as `archon:services[0].port`. */
  key: string;
  /** What was received; left out for secrets. */
  received?: unknown;
  /** What is allowed, and what to do. */
  reason: string;
}

/** Every problem in one message, each with its key and the value received. Pulumi prints it without a stack trace. */
export function configurationError(stack: string, problems: readonly Problem[]): pulumi.RunError {
  const lines = problems.map(({ key, received, reason }) => {
    const value = received === undefined ? "" : ` (received ${JSON.stringify(received, withoutVariables)})`;
    return `  - ${key}: ${reason}${value}`;
  });
  return new pulumi.RunError(
    `Invalid configuration for stack "${stack}":\n${lines.join("\n")}\nMend Pulumi.${stack}.yaml, or use: pulumi config set --path <key> <value>`,
  );
}

/** The variables of a service may be secrets. */
function withoutVariables(key: string, value: unknown): unknown {
  return key === "variables" ? "not shown" : value;
}
