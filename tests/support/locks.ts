import * as fs from "node:fs";
import * as path from "node:path";
import { applicationOf } from "../../applications/configured";
import { application as applicationSchema, type FurtherRole } from "../../config/schema";
import type { Checkout } from "./engine";

/** Absolute paths of the lock files that a stack gets. */
export interface StackLocks {
  image: string;
  /** @default none: the configuration names one */
  environment?: string;
  /** Of the further roles that it deploys. @default none */
  roles?: Readonly<Partial<Record<FurtherRole, string>>>;
}

/**
 * Writes what `./archon lock` would write for a stack, without resolving anything.
 * @param configuration value of `archon:application`
 */
export function writeLocks(checkout: Checkout, stack: string, configuration: object, locks: StackLocks): void {
  const further = Object.entries(locks.roles ?? {}) as [FurtherRole, string][];
  const application = applicationOf(
    applicationSchema.parse(configuration),
    { project: checkout.directory, stack, roles: further.map(([role]) => role) },
    [],
  );
  const lists = application?.requirements.lists?.();
  if (application === undefined || lists === undefined) {
    throw new Error("The application cannot be deployed.");
  }
  const { image, environment } = application.requirements;
  write(checkout, image, lists.image, locks.image);
  write(checkout, environment, lists.environment, locks.environment);
  for (const [role, lockFile] of further) {
    const requirements = application.roles?.[role]?.requirements;
    if (requirements === undefined) {
      throw new Error(`The role ${role} has no lock file.`);
    }
    write(checkout, requirements.list, requirements.text(), lockFile);
  }
}

/** @param name of the list, relative to the checkout, without the extension */
function write({ directory }: Checkout, name: string, list: string, lockFile: string | undefined): void {
  const target = path.join(directory, name);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(`${target}.in`, list);
  if (lockFile !== undefined) {
    fs.copyFileSync(lockFile, `${target}.txt`);
  }
}
