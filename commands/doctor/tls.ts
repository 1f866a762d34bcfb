import {
  daysLeft,
  judgeFiles,
  missingDirectory,
  tlsCheckArguments,
  tlsCheckOptions,
  tlsCheckSchema,
  TLS_PROGRAM,
  type TlsProblem,
} from "../../components/service/certificate";
import type { TlsService } from "../../config/schema";
import { archon } from "../../lib/command-line";
import { stackFlag } from "../lib/options";
import { runProbe } from "../lib/probe";
import { CommandError } from "../lib/run";
import { ok, problem, warning, type Finding } from "./finding";
import type { Subject } from "./subject";

/** A certificate that is renewed by itself is renewed earlier. */
const WARN_DAYS = 14;

/** Whether the gateway of a service can serve TLS with the files that the stack names, and for how long. */
export async function checkTls({ stack, host }: Subject, image: string, service: TlsService): Promise<Finding[]> {
  const { tls } = service;
  try {
    const read = await runProbe(
      { image, dockerHost: host.dockerHost },
      {
        program: `../${TLS_PROGRAM}`,
        args: tlsCheckArguments(tls),
        options: tlsCheckOptions(tls),
        schema: tlsCheckSchema,
      },
    );
    return judgeTls(stack, service, judgeFiles(tls, read, new Date()), read.certificate, new Date());
  } catch (error) {
    const missing = error instanceof CommandError ? missingDirectory(tls, error.message) : [];
    if (missing.length === 0) {
      throw error;
    }
    return judgeTls(stack, service, missing, undefined, new Date());
  }
}

export function judgeTls(
  stack: string,
  { name, tls }: TlsService,
  problems: readonly TlsProblem[],
  certificate: string | undefined,
  now: Date,
): Finding[] {
  const again = archon(`doctor${stackFlag(stack)}`);
  if (problems.length > 0 || certificate === undefined) {
    return problems.map(({ file, reason }) =>
      problem(
        "tls",
        `the ${file} of the service ${name}, ${tls[file]}: ${reason}`,
        `correct the file; the gateway takes it within seconds. Then ${again} again`,
      ),
    );
  }
  const days = daysLeft(certificate, now);
  return [
    days < WARN_DAYS
      ? warning(
          "tls",
          `the certificate of the service ${name}, ${tls.certificate}, expires in ${days} days`,
          "renew it; the gateway takes the new one by itself",
        )
      : ok("tls", `the certificate of the service ${name} is valid for ${days} days`),
  ];
}
