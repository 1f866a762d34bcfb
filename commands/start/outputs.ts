import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";

/** The exports of `index.ts` that `./archon start` uses. */
export interface StackOutputs {
  url: string;
  release: string;
  environment: { key: string; path: string; bytes?: number };
  images: { server: string };
  models: { name: string; repo: string; revision: string }[];
  /** Only where the API requires one. */
  apiToken?: string;
}

/** Checks that the outputs of a stack are those of this program. */
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
