import * as fs from "node:fs";
import * as path from "node:path";
import { certificateMount, GATEWAY_USER, tlsPaths } from "../../components/service/tls";
import { project } from "../../config/stack";
import type { Readiness } from "../../applications/application";
import type { TlsFiles } from "../../config/schema";
import { archon } from "../../lib/command-line";
import { containerJob } from "../../lib/container-job";
import { projectRoot } from "../../lib/paths";
import { dockerEnvironment } from "../lib/docker";
import { stackFlag } from "../lib/options";
import { CommandError, run } from "../lib/run";
import { ok, problem, type Finding } from "./finding";
import type { Subject } from "./subject";

/** Seconds that the container which asks may take. */
const timeoutSeconds = 60;

/** A service that runs. */
export interface RunningService {
  name: string;
  /** Where it answers. */
  url: string;
  readiness: Readiness;
  /** The files of the certificate that must be served; undefined for plain HTTP. */
  tls: TlsFiles | undefined;
}

/**
 * Whether a service answers at the address and port that people use, asked on the engine's host as the readiness gate
 * does.
 */
export async function checkAnswers(
  { stack, host }: Subject,
  image: string,
  { name, url: address, readiness, tls }: RunningService,
): Promise<Finding> {
  const url = `${address}${readiness.path}`;
  const expected = readiness.connectOnly === true ? "any" : "success";
  const job = containerJob({
    labels: { project, component: "one-shot" },
    network: "host",
    interactive: true,
    entrypoint: "python3",
    ...(tls === undefined ? {} : { mounts: [certificateMount(tls)], user: GATEWAY_USER }),
    image,
    command: ["-", url, "1", tls === undefined ? "" : tlsPaths(tls).certificate, expected],
  });
  const input = fs.readFileSync(path.join(projectRoot, "components", "scripts", "ask-gateway.py"), "utf8");
  try {
    await run("docker", job, { environment: dockerEnvironment(host.dockerHost), input, timeoutSeconds });
    return judgeAnswers(stack, { name, url }, undefined);
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 1) {
      return judgeAnswers(stack, { name, url }, error.lastLines.at(-1) ?? "no reason is known");
    }
    throw error;
  }
}

/** @param wrong what answers instead, such as `503 Service Unavailable`, or why nothing does; undefined when all is well */
export function judgeAnswers(
  stack: string,
  { name, url }: Pick<RunningService, "name" | "url">,
  wrong: string | undefined,
): Finding {
  if (wrong === undefined) {
    return ok("answers", `the service ${name} answers at ${url}`);
  }
  const outcome = /^\d{3} /.test(wrong)
    ? `answers with ${wrong}: no server of it is ready`
    : `does not answer: ${wrong}`;
  return problem(
    "answers",
    `the service ${name} at ${url} ${outcome}`,
    `${archon(`pulumi up --refresh${stackFlag(stack)}`)}, or ${archon(`rollback previous${stackFlag(stack)}`)}`,
  );
}
