import * as fs from "node:fs";
import * as path from "node:path";
import { run } from "../lib/run";
import { systemEnvironment } from "./apt";

/** The certificates in a PEM bundle, each with its begin and end line. */
export function splitBundle(bundle: string): string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** The certificates of `bundle` that `trusted` does not have, in order and each once. */
export function missingCertificates(bundle: string, trusted: string): string[] {
  const known = new Set(splitBundle(trusted).map(normalize));
  return splitBundle(bundle).filter((certificate) => {
    const body = normalize(certificate);
    const missing = !known.has(body);
    known.add(body);
    return missing;
  });
}

function normalize(certificate: string): string {
  return certificate.replace(/\s/g, "");
}

/** Makes the Debian system below `root` trust the authorities in the machine's bundle that Debian's list does not have. */
export async function installCaBundle(root: string, bundle: string): Promise<void> {
  const trusted = fs.readFileSync(path.join(root, "etc/ssl/certs/ca-certificates.crt"), "utf8");
  const missing = missingCertificates(fs.readFileSync(bundle, "utf8"), trusted);
  if (missing.length === 0) {
    return;
  }
  // One file for each, because update-ca-certificates links a file by the hash of its first certificate only.
  const directory = path.join(root, "usr/local/share/ca-certificates");
  fs.mkdirSync(directory, { recursive: true });
  missing.forEach((certificate, index) => {
    fs.writeFileSync(path.join(directory, `machine-${index + 1}.crt`), `${certificate}\n`);
  });
  await run("chroot", [root, "update-ca-certificates"], {
    environment: systemEnvironment(),
    log: "base-image-certificates",
  });
}
