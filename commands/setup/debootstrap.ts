import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../lib/errors";
import { cacheDirectory, display } from "../../lib/paths";
import { dockerEnvironment } from "../lib/docker";
import { bytes } from "../lib/render";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";
import { aptInstall, debianMirror, readAptSources, readOsRelease, systemEnvironment } from "./apt";
import { installCaBundle } from "./certificates";
import { findProgram } from "./docker";

const packages = ["python3", "python3-venv", "ca-certificates"];

/** About how many lines debootstrap prints for these packages, for the progress bar. */
const expectedLines = 570;

/** Bytes of the unpacked system and its packages, and of what dpkg needs while it works. */
const neededBytes = 700e6;

/** What the image must not carry: the host's own files, the kernel's file systems, and what apt can fetch again. */
const leftOut = [
  "./dev/*",
  "./proc/*",
  "./sys/*",
  "./etc/hostname",
  "./etc/resolv.conf",
  "./var/cache/apt/archives/*.deb",
  "./var/cache/apt/*.bin",
  "./var/lib/apt/lists/*",
  "./var/log/*.log",
  "./var/log/apt/*",
];

const imageSettings = [
  'CMD ["python3"]',
  "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "ENV LANG=C.UTF-8",
  "LABEL io.archon.project=archon",
  "LABEL io.archon.component=base-image",
];

export interface OwnBaseImage {
  /** Debian's name of the version, such as `bookworm`. */
  suite: string;
  /** Name of the image. */
  reference: string;
  engineHost: string | undefined;
  /** PEM bundle that it must trust. */
  caBundle: string | undefined;
}

/**
 * Builds a minimal Debian with its Python from Debian's packages and imports it into the engine as `reference`.
 * Needs root on Debian or Ubuntu. Leaves nothing else behind, even when it fails.
 */
export async function buildBaseImage(
  { suite, reference, engineHost, caBundle }: OwnBaseImage,
  progress: Progress,
): Promise<void> {
  await installDebootstrap(progress);
  const work = makeWorkDirectory();
  const root = path.join(work, "root");
  try {
    const mirror = debianMirror(readAptSources(), readOsRelease());
    progress.message(
      `Building the base image from Debian ${suite}'s packages${mirror === undefined ? "" : ` at ${mirror}`} (46 MB to download).`,
    );
    let lines = 0;
    // In a mount namespace of its own, debootstrap's mounts end with it, so that removing `work` never reaches /dev or
    // /proc.
    const args = [
      "--variant=minbase",
      `--include=${packages.join(",")}`,
      "--force-check-gpg",
      suite,
      root,
      ...(mirror === undefined ? [] : [mirror]),
    ];
    await run("unshare", ["--mount", "--propagation", "private", "debootstrap", ...args], {
      environment: { ...systemEnvironment(), ...(await aptProxy()) },
      log: "base-image-debootstrap",
      onLine: (line) => {
        lines += 1;
        progress.update(Math.min(lines, expectedLines), expectedLines, line.replace(/^I: /, ""));
      },
    });
    if (caBundle !== undefined) {
      await installCaBundle(root, caBundle);
    }
    progress.update(expectedLines, expectedLines, `importing ${reference}`);
    await importImage(root, reference, engineHost);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

async function installDebootstrap(progress: Progress): Promise<void> {
  // Without the keyring debootstrap would continue without verification; Ubuntu does not install it.
  if (findProgram("debootstrap") === undefined || !fs.existsSync("/usr/share/keyrings/debian-archive-keyring.gpg")) {
    await aptInstall(
      { required: ["debootstrap", "debian-archive-keyring"] },
      "No registry answers, so the base image is built here",
      progress,
    );
  }
}

/** A fresh directory for this process, after removing those whose process was killed. */
function makeWorkDirectory(): string {
  const own = String(process.pid);
  const parent = path.join(cacheDirectory(), "base-image");
  fs.mkdirSync(parent, { recursive: true });
  for (const name of fs.readdirSync(parent)) {
    if (name === own || !fs.existsSync(`/proc/${name}`)) {
      fs.rmSync(path.join(parent, name), { recursive: true, force: true });
    }
  }
  const { bavail, bsize } = fs.statfsSync(parent);
  if (bavail * bsize < neededBytes) {
    throw new UserError(
      `Building the base image needs ${bytes(neededBytes)} in ${display(parent)}, and ${bytes(bavail * bsize)} are free. ` +
        "Free some space, or set ARCHON_CACHE to a directory on a larger disk.",
    );
  }
  const work = path.join(parent, own);
  fs.mkdirSync(work, { mode: 0o755 });
  return work;
}

/** The proxy that this machine's apt uses, as a variable: debootstrap does not read apt's configuration. */
async function aptProxy(): Promise<NodeJS.ProcessEnv> {
  const text = await run("apt-config", ["shell", "proxy", "Acquire::http::Proxy"]);
  const proxy = /^proxy='(https?:.*)'$/m.exec(text)?.[1];
  return proxy === undefined || process.env.http_proxy ? {} : { http_proxy: proxy };
}

async function importImage(root: string, reference: string, engineHost: string | undefined): Promise<void> {
  const tar = [
    "tar",
    "--create",
    "--numeric-owner",
    `--directory=${root}`,
    ...leftOut.map((pattern) => `--exclude=${pattern}`),
    ".",
  ];
  const dockerImport = [
    "docker",
    "import",
    ...imageSettings.flatMap((setting) => ["--change", setting]),
    "-",
    reference,
  ];
  // Arguments of the script: the number of words of the first command, its words, and those of the second one.
  const pipe = 'set -o pipefail; "${@:2:$1}" | "${@:$1+2}"';
  await run("bash", ["-c", pipe, "bash", String(tar.length), ...tar, ...dockerImport], {
    environment: dockerEnvironment(engineHost),
    log: "base-image-import",
  });
}
