import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import { aptInstall, hasApt, readOsRelease, type OsRelease } from "./apt";
import { findProgram, isRoot } from "./docker";

const programs = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** What {@link ensureChromium} asks the machine; tests bring their own. */
export interface Machine {
  find: (program: string) => string | undefined;
  isRoot: () => boolean;
  os: () => OsRelease;
  install: (progress: Progress) => Promise<void>;
}

const thisMachine: Machine = {
  find: findProgram,
  isRoot,
  os: readOsRelease,
  // Chromium takes its letters from the system; without any it would show boxes.
  install: (progress) =>
    aptInstall({ required: ["chromium", "fonts-liberation"] }, "The browser tests need Chromium", progress),
};

/**
 * Finds a Chromium that the browser tests can drive; installs Debian's where that is possible and allowed.
 * @returns its absolute path.
 * @throws UserError with what to install where it is not.
 */
export async function ensureChromium(progress: Progress, machine: Machine = thisMachine): Promise<string> {
  const found = firstFound(machine);
  if (found !== undefined) {
    return found;
  }
  const os = machine.os();
  // Ubuntu's package of that name is a snap, which does not run everywhere that apt does.
  if (!hasApt(os) || os.id === "ubuntu" || !machine.isRoot()) {
    throw new UserError(
      `The browser tests drive Chromium, and none of ${programs.join(", ")} is on PATH. This command installs it as root on Debian; this is ${os.prettyName}.\n` +
        `Install Chromium or Chrome, then run \`${archon("test browser")}\` again; or leave these tests out by naming the other suites.`,
    );
  }
  await machine.install(progress);
  const installed = firstFound(machine);
  if (installed === undefined) {
    throw new UserError(
      `The package chromium is installed, but there is no program of that name on PATH. Add its directory, then run \`${archon("test browser")}\` again.`,
    );
  }
  return installed;
}

function firstFound(machine: Machine): string | undefined {
  return programs.map(machine.find).find((program) => program !== undefined);
}
