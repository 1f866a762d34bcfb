import { X509Certificate } from "node:crypto";
import * as path from "node:path";
import { z } from "zod";
import type { TlsFiles } from "../../config/schema";
import { jobOptions, MOUNT_SOURCE_MISSING, type JobOptions } from "../../lib/container-job";
import { GATEWAY_USER, tlsMounts, tlsPaths } from "./tls";

/** The program that the gateway reads its certificate with, relative to the checkout. */
export const TLS_PROGRAM = "gateway/tls.py";

/** What `tls.py check` prints. */
export const tlsCheckSchema = z.object({
  /** Why the files cannot be used. */
  reasons: z.partialRecord(z.enum(["certificate", "key"]), z.string()),
  /** The first certificate in PEM format, if they can be used. */
  certificate: z.string().optional(),
});

export type TlsCheck = z.infer<typeof tlsCheckSchema>;

/** What is wrong with one of the files, and what to do. */
export interface TlsProblem {
  file: keyof TlsFiles;
  reason: string;
}

/** Options of the container in which `tls.py check` sees what the gateway sees. */
export function tlsCheckOptions(tls: TlsFiles): Pick<JobOptions, "mounts" | "user"> {
  return { mounts: tlsMounts(tls), user: GATEWAY_USER };
}

/** Arguments of `docker` that run `tls.py check`. @param program its text */
export function tlsCheckCommand(tls: TlsFiles, image: string, program: string): string[] {
  const options = jobOptions({
    ...tlsCheckOptions(tls),
    labels: { component: "one-shot" },
    entrypoint: "python3",
  });
  return ["run", ...options, image, "-c", program, ...tlsCheckArguments(tls)];
}

export function tlsCheckArguments(tls: TlsFiles): string[] {
  const { certificate, key } = tlsPaths(tls);
  return ["check", certificate, key];
}

/**
 * The files whose directory the host does not have, by what the engine says of a container with the mounts of the gateway.
 * The engine names the first missing directory only. Empty when it says something else.
 */
export function missingDirectory(tls: TlsFiles, message: string): TlsProblem[] {
  const [, directory] = new RegExp(`${MOUNT_SOURCE_MISSING}: (\\S+?)\\.?$`, "m").exec(message) ?? [];
  return (["certificate", "key"] as const)
    .filter((file) => path.posix.dirname(tls[file]) === directory)
    .map((file) => ({ file, reason: "its directory does not exist on the Docker host" }));
}

/**
 * What is wrong with files that could be looked at.
 * @param now the time at which the certificate must be valid; undefined where that does not matter
 */
export function judgeFiles(tls: TlsFiles, { reasons, certificate }: TlsCheck, now: Date | undefined): TlsProblem[] {
  const problems = Object.entries(reasons).map(([file, reason]) => ({
    file: file as keyof TlsFiles,
    reason: `${reason}${remedy(tls[file as keyof TlsFiles], reason)}`,
  }));
  if (certificate === undefined || now === undefined) {
    return problems;
  }
  const { validFrom, validTo } = new X509Certificate(certificate);
  if (new Date(validTo) <= now) {
    problems.push({ file: "certificate", reason: `has expired on ${day(validTo)}; renew it` });
  }
  if (new Date(validFrom) > now) {
    problems.push({
      file: "certificate",
      reason: `is valid from ${day(validFrom)} on; wait, or correct the host's clock`,
    });
  }
  return problems;
}

/** Days that a certificate is still valid. */
export function daysLeft(certificate: string, now: Date): number {
  return Math.floor((Date.parse(new X509Certificate(certificate).validTo) - now.getTime()) / 86_400_000);
}

function remedy(file: string, reason: string): string {
  const [, group] = GATEWAY_USER.split(":");
  return reason.startsWith("cannot be read by the gateway")
    ? `; on the Docker host: chgrp ${group} ${file} && chmod 640 ${file}, and its directories need to be open (chmod 755)`
    : "";
}

function day(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}
