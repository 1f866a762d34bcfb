import { z } from "zod";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";

/** What `pulumi stack export` prints, as far as moving a stack needs it. */
const exportSchema = z.object({
  deployment: z.looseObject({
    resources: z.array(z.unknown()).default([]),
    pending_operations: z.array(z.unknown()).nullish(),
    secrets_providers: z.object({ state: z.object({ salt: z.string().optional() }).optional() }).optional(),
  }),
});

export type Exported = z.infer<typeof exportSchema>;

export function parseExport(text: string): Exported {
  return exportSchema.parse(JSON.parse(text));
}

/** Whether two exports have the same resources. Secrets do not count: each import encrypts them with new nonces. */
export function isSame(one: Exported, other: Exported): boolean {
  return withoutSecrets(one) === withoutSecrets(other);
}

function withoutSecrets({ deployment }: Exported): string {
  return JSON.stringify(deployment.resources, (key, value: unknown) => (key === "ciphertext" ? "" : value));
}

/** @throws UserError for a stack whose last update was killed: an import would forget what that was doing */
export function requireSettled(stack: string, { deployment }: Exported): void {
  if ((deployment.pending_operations ?? []).length > 0) {
    throw new UserError(
      `The stack "${stack}" has pending operations of an update that was killed. ` +
        `Run \`${archon(`recover --stack ${stack}`)}\`, then \`${archon(`pulumi refresh --stack ${stack}`)}\`.`,
    );
  }
}
