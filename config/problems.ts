import * as pulumi from "@pulumi/pulumi";
import { runError } from "./run-error";

/** One thing that is wrong with the configuration. */
export interface Problem {
  /** Key and the path inside it, such as `["services", 0, "port"]`. */
  path: readonly PropertyKey[];
  /** What was received; left out for secrets. */
  received?: unknown;
  /** What is allowed, and what to do. */
  reason: string;
}

/** Every problem in one message, each with its key and the value received. Pulumi prints it without a stack trace. */
export function configurationError(stack: string, problems: readonly Problem[]): pulumi.RunError {
  const lines = problems.map(({ path, received, reason }) => {
    const value = received === undefined ? "" : ` (received ${JSON.stringify(received, withoutSecrets)})`;
    return `  - ${keyName(path)}: ${reason}${value}`;
  });
  return runError(
    `Invalid configuration for stack "${stack}":\n${lines.join("\n")}\nCorrect Pulumi.${stack}.yaml, or run: ./archon pulumi config set --path <key> <value>`,
  );
}

/** `archon:services[0].port` */
function keyName([key = "", ...rest]: readonly PropertyKey[]): string {
  return rest
    .map(String)
    .reduce(
      (name, part) => (/^\d+$/.test(part) ? `${name}[${part}]` : `${name}.${part}`),
      `${pulumi.getProject()}:${String(key)}`,
    );
}

/** Whether what stands under this name may be a secret: the variables of a service, and keys of other services. */
export function mayBeSecret(name: PropertyKey): boolean {
  return name === "variables" || name === "supabase" || name === "serviceKey";
}

/** Replaces what may be secret in a value that is shown. */
function withoutSecrets(key: string, value: unknown): unknown {
  return mayBeSecret(key) ? "not shown" : value;
}
