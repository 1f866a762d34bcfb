/**
 * An entry for another version than the lock file's, of a package with 340 modules: there is something to download and
 * to compile.
 */
const entry = `pygments==2.19.2 \\
    --hash=sha256:86540386c03d588bb81d44bc3928634ff26449851e99741617ecb9037ee5ec0b
    # size: 5304320
`;

/** A lock file with another version of one package. */
export function changedLock(lock: string): string {
  const changed = lock.replace(/^pygments==.*\n(?:[ \t]+.*\n?)*/m, entry);
  if (changed === lock) {
    throw new Error("The lock has no pygments to change.");
  }
  return changed;
}
