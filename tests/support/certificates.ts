import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

/** A certificate that its own key has signed, in PEM format. */
export interface TestCertificate {
  certificate: string;
  key: string;
}

const CONFIGURATION = `
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
`;

/**
 * Makes a certificate with openssl.
 * @param days from now, between which it is valid; negative ones are in the past
 */
export function makeCertificate(name: string, [from, to]: readonly [number, number] = [-1, 60]): TestCertificate {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-certificate-"));
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
  };
  const read = (file: string): string => fs.readFileSync(path.join(directory, file), "utf8");
  try {
    fs.writeFileSync(path.join(directory, "ca.cnf"), CONFIGURATION);
    fs.writeFileSync(path.join(directory, "index.txt"), "");
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl("req", "-new", ...curve, "-subj", `/CN=${name}`, "-keyout", "key.pem", "-out", "request.pem");
    const signing = ["-batch", "-selfsign", "-notext", "-config", "ca.cnf", "-keyfile", "key.pem"];
    const dates = ["-startdate", utcTime(from), "-enddate", utcTime(to)];
    openssl("ca", ...signing, ...dates, "-in", "request.pem", "-out", "certificate.pem");
    return { certificate: read("certificate.pem"), key: read("key.pem") };
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** The hash of a certificate's public key, by which Chromium can be told to accept it. */
export function publicKeyHash({ certificate }: TestCertificate): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}

/** `20301231235959Z` */
function utcTime(days: number): string {
  return `${new Date(Date.now() + days * 86_400_000).toISOString().replace(/\D/g, "").slice(0, 14)}Z`;
}

/** Puts files where the gateway of a service looks for them, each by a rename, as a renewal does. @returns their paths */
export function writeCertificate(
  directory: string,
  { certificate, key }: TestCertificate,
): { certificate: string; key: string } {
  const files = { certificate: path.join(directory, "certificate.pem"), key: path.join(directory, "key.pem") };
  fs.mkdirSync(directory, { recursive: true });
  for (const [file, text] of [
    [files.certificate, certificate],
    [files.key, key],
  ] as const) {
    fs.writeFileSync(`${file}.new`, text);
    fs.chownSync(`${file}.new`, 0, 10001);
    fs.chmodSync(`${file}.new`, 0o640);
    fs.renameSync(`${file}.new`, file);
  }
  return files;
}
