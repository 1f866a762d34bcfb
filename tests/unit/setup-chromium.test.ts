import { parseOsRelease } from "../../commands/setup/apt";
import { ensureChromium, type System } from "../../commands/setup/chromium";
import { silent } from "../../commands/lib/progress";

// What the set-up decides. Does not prove that apt-get installs a browser; the browser suite does, where there was
// none.

const debian = 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n';

function machine(changes: Partial<System> & { release?: string } = {}): System & { installed: () => boolean } {
  let installed = false;
  return {
    find: (program) => (installed && program === "chromium" ? "/usr/bin/chromium" : undefined),
    isRoot: () => true,
    os: () => parseOsRelease(changes.release ?? debian),
    install: async () => {
      installed = true;
    },
    installed: () => installed,
    ...changes,
  };
}

test("a browser that is there is taken, whatever it is called", async () => {
  const here = machine({ find: (program) => (program === "google-chrome" ? "/opt/google-chrome" : undefined) });
  expect(await ensureChromium(silent, here)).toBe("/opt/google-chrome");
  expect(here.installed()).toBe(false);
});

test("root on Debian gets one installed", async () => {
  const here = machine();
  expect(await ensureChromium(silent, here)).toBe("/usr/bin/chromium");
});

test.each([
  ["somebody who is not root", machine({ isRoot: () => false })],
  ["Fedora", machine({ release: "ID=fedora\nPRETTY_NAME=Fedora" })],
  ["Ubuntu, where the package is a snap", machine({ release: "ID=ubuntu\nID_LIKE=debian" })],
])("%s gets a message that says what to install, and nothing is installed", async (_, here) => {
  await expect(ensureChromium(silent, here)).rejects.toThrow(
    "Install Chromium or Chrome, then run `./archon test browser` again",
  );
  expect(here.installed()).toBe(false);
});

test("a package without the program is no success", async () => {
  await expect(ensureChromium(silent, machine({ find: () => undefined }))).rejects.toThrow(
    "no program of that name on PATH",
  );
});
