import { archon } from "../../lib/command-line";
import { stackFlag } from "../lib/options";
import { ok, problem, type Finding } from "./finding";
import { answersSchema, type Answer } from "./network";
import { runProbe } from "../lib/probe";
import type { Subject } from "./subject";

/**
 * Whether the service answers at the address and port that people use, asked on the engine's host.
 * @param url of the health check, through the gateway
 */
export async function checkAnswers({ stack, host }: Subject, image: string, url: string): Promise<Finding> {
  const [answer] = await runProbe(
    { image, dockerHost: host.dockerHost },
    {
      program: "doctor/probes/sources.py",
      secrets: { ADDRESSES: JSON.stringify([url]) },
      options: { network: "host" },
      schema: answersSchema,
    },
  );
  return judgeAnswers(stack, url, answer);
}

export function judgeAnswers(stack: string, url: string, answer: Answer | undefined): Finding {
  if (answer?.status !== undefined && answer.status < 400) {
    return ok("answers", `${url} answers with ${answer.status}`);
  }
  return problem(
    "answers",
    `${url} ${answer?.status === undefined ? `does not answer: ${answer?.error ?? "no reason is known"}` : `answers with ${answer.status}: no server is ready`}`,
    `${archon(`pulumi up --refresh${stackFlag(stack)}`)}, or ${archon(`rollback previous${stackFlag(stack)}`)}`,
  );
}
