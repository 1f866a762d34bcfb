import * as fs from "node:fs";
import * as path from "node:path";
import { project } from "../setup/stack";
import { stateDirectory } from "../support/paths";

/** Who holds the lock of a stack, as Pulumi writes it. */
export interface LockHolder {
  pid: number;
  username: string;
  hostname: string;
  timestamp: string;
}

/** The holder of a stack's lock on the backend inside the checkout, or undefined when nobody holds it. */
export function heldLock(stack: string, state: string = stateDirectory): LockHolder | undefined {
  const directory = path.join(state, ".pulumi", "locks", "organization", project, stack);
  const [file] = fs.existsSync(directory) ? fs.readdirSync(directory).filter((name) => name.endsWith(".json")) : [];
  return file === undefined ? undefined : (JSON.parse(fs.readFileSync(path.join(directory, file), "utf8")) as LockHolder);
}
