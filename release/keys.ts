import { digest } from "../lib/hashing";

/** Version of the store's layout and of what the store tool puts into an environment; the tool refuses another. */
export const STORE_FORMAT = 1;

/** What the lock file was resolved for. An environment of another interpreter or platform is another environment. */
export const PYTHON_ABI = "cp311";
export const PLATFORM = "linux/amd64";

/**
 * Key of an environment: 16 hex digits of the lock's text, interpreter, platform, base image reference and store format.
 * What is only looked at when populating (index addresses, modules to import) takes no part.
 */
export function environmentKey(lock: string, baseImage: string): string {
  return digest("environment", String(STORE_FORMAT), PYTHON_ABI, PLATFORM, baseImage, lock).slice(0, 16);
}
