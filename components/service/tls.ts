import * as path from "node:path";
import type { TlsFiles } from "../../config/schema";
import type { Mount } from "../../lib/container-job";

/** User and group of the gateway, who reads the files of its TLS. */
export const GATEWAY_USER = "10001:10001";

/**
 * How the gateway sees the files: a renewal replaces a file, and a mount of that file alone would stay with the old one. So
 * their directories are mounted.
 */
export function tlsMounts({ certificate, key }: TlsFiles): Mount[] {
  return [
    { source: path.posix.dirname(certificate), target: CERTIFICATE_DIRECTORY },
    { source: path.posix.dirname(key), target: KEY_DIRECTORY },
  ];
}

/** The mount with the certificate alone, for those who compare it with the one that is served. */
export function certificateMount({ certificate }: TlsFiles): Mount {
  return { source: path.posix.dirname(certificate), target: CERTIFICATE_DIRECTORY };
}

/** Where the files are inside the gateway. */
export function tlsPaths({ certificate, key }: TlsFiles): TlsFiles {
  return {
    certificate: `${CERTIFICATE_DIRECTORY}/${path.posix.basename(certificate)}`,
    key: `${KEY_DIRECTORY}/${path.posix.basename(key)}`,
  };
}

const CERTIFICATE_DIRECTORY = "/run/tls/certificate";
const KEY_DIRECTORY = "/run/tls/key";
