import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";

/** The outputs of a stack that `./archon start` uses. */
export interface StackOutputs {
  url: string;
  release: string;
  environment: { key: string; path: string };
  images: { server: string };
  models: { name: string; repo: string; revision: string }[];
  /** Set only in a stack that requires a token; hidden after an update. */
  apiToken?: string;
}

/** Checks that a stack has these outputs. @throws UserError that names the missing ones */
export function parseOutputs(outputs: Readonly<Record<string, unknown>>): StackOutputs {
  const value = outputs as Partial<StackOutputs>;
  const missing = (["url", "release", "environment", "images", "models"] as const).filter(
    (name) => value[name] === undefined,
  );
  if (missing.length > 0) {
    throw new UserError(
      `The stack has no output ${missing.join(", ")}. Run \`${archon("pulumi up")}\` and read what it reports.`,
    );
  }
  return value as StackOutputs;
}
