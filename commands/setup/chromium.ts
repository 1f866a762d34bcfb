import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import { aptInstall, hasApt, readOsRelease, type OsRelease } from "./apt";
import { findProgram, isRoot } from "./docker";

const programs = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** What {@link ensureChromium} needs from the operating system; tests replace it. */
export interface System {
  find: (program: string) => string | undefined;
  isRoot: () => boolean;
  os: () => OsRelease;
  install: (progress: Progress) => Promise<void>;
}

const thisSystem: System = {
  find: findProgram,
  isRoot,
  os: readOsRelease,
  // Chromium uses the fonts of the system; without any it shows boxes instead of letters.
  install: (progress) =>
    aptInstall({ required: ["chromium", "fonts-liberation"] }, "The browser tests need Chromium", progress),
};

/**
 * Finds a Chromium that the browser tests can drive; as root on Debian, installs one if there is none.
 * @returns its absolute path
 * @throws UserError that says what to install
 */
export async function ensureChromium(progress: Progress, system: System = thisSystem): Promise<string> {
  const found = firstFound(system);
  if (found !== undefined) {
    return found;
  }
  const os = system.os();
  // Ubuntu's package of that name is a snap, and snaps do not run in every container.
  if (!hasApt(os) || os.id === "ubuntu" || !system.isRoot()) {
    throw new UserError(
      `The browser tests drive Chromium, and none of ${programs.join(", ")} is on PATH. This command installs it as root on Debian; this is ${os.prettyName}.\n` +
        `Install Chromium or Chrome, then run \`${archon("test browser")}\` again; or leave these tests out by naming the other suites.`,
    );
  }
  await system.install(progress);
  const installed = firstFound(system);
  if (installed === undefined) {
    throw new UserError(
      `The package chromium is installed, but there is no program of that name on PATH. Add its directory, then run \`${archon("test browser")}\` again.`,
    );
  }
  return installed;
}

function firstFound(system: System): string | undefined {
  return programs.map(system.find).find((program) => program !== undefined);
}
