"use strict";
// Starts the command line in `commands/lib/archon.ts`. It runs before anything is installed, so it is plain JavaScript
// without dependencies, in syntax that a Node.js too old for the rest can still read.

const childProcess = require("child_process");
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");

const oldestNode = 20;
const wrongUsage = 2;
const root = path.resolve(__dirname, "..");
const modules = path.join(root, "node_modules");
const stampFile = path.join(modules, ".archon-lock");

function fail(message) {
  process.stderr.write(message + "\n");
  process.exit(1);
}

function checkNode(version) {
  if (parseInt(version, 10) < oldestNode) {
    fail(
      "Node.js " +
        oldestNode +
        " or newer is needed; this is " +
        version +
        " (" +
        process.execPath +
        ").\nInstall a newer one and run the command again.",
    );
  }
}

/**
 * Refuses an unknown command, so that a typing error does not start an installation of minutes. Once the packages are
 * installed, the command line itself refuses it.
 */
function checkCommand(command) {
  const commands = fs
    .readdirSync(__dirname)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -".ts".length))
    .sort();
  if (command !== undefined && command[0] !== "-" && commands.indexOf(command) === -1) {
    const known = commands.map((each) => "  ./archon " + each).join("\n");
    process.stderr.write('There is no command "' + command + '". The commands are:\n' + known + "\n");
    process.exit(wrongUsage);
  }
}

/** What the installed packages depend on: the lock file, and the release of Node that their scripts ran under. */
function expectedStamp() {
  const lockFile = path.join(root, "package-lock.json");
  if (!fs.existsSync(lockFile)) {
    fail("package-lock.json is missing; it belongs to the checkout. Get it back with `git restore package-lock.json`.");
  }
  const hash = crypto.createHash("sha256").update(fs.readFileSync(lockFile)).digest("hex");
  return hash + " node" + process.versions.node.split(".")[0] + "\n";
}

function isInstalled(stamp) {
  return fs.existsSync(stampFile) && fs.readFileSync(stampFile, "utf8") === stamp;
}

/** Installs what the lock file says. The stamp comes last, so that an interrupted installation is repeated. */
function installPackages(stamp) {
  process.stderr.write("Installing the npm packages that package-lock.json names, into node_modules (npm ci) …\n");
  const started = Date.now();
  // Under `npm run` this is the path of that npm. Other package managers set the variable to their own path.
  const npm = process.env.npm_execpath || "";
  const command = /npm-cli\.c?js$/.test(npm) ? [process.execPath, npm] : ["npm"];
  // npm's output goes to stderr: stdout belongs to the command.
  const result = childProcess.spawnSync(command[0], command.slice(1).concat("ci", "--no-audit", "--no-fund"), {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (result.error !== undefined) {
    fail("npm could not be started: " + result.error.message + ". It belongs to Node.js; put it on PATH.");
  }
  if (result.signal !== null || result.status === 130) {
    process.stderr.write("Stopped while installing. Run the command again to continue.\n");
    process.exit(130);
  }
  if (result.status !== 0) {
    fail(
      "`npm ci` failed with exit code " + result.status + "; the reason is above. Fix it, then run the command again.",
    );
  }
  fs.writeFileSync(stampFile, stamp);
  process.stderr.write("Installed in " + ((Date.now() - started) / 1000).toFixed(1) + " s.\n");
}

checkNode(process.versions.node);
const stamp = expectedStamp();
if (!isInstalled(stamp)) {
  checkCommand(process.argv[2]);
  installPackages(stamp);
}
require("../lib/typescript.cjs").readTypeScript();
require("./lib/archon.ts");
