import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { isLocal } from "../../lib/host";
import { atLeast } from "../lib/version";
import { stackFlag } from "../lib/options";
import { findEngine, minimumVersion } from "../setup/docker";
import { hasSystemd } from "../setup/dockerd";
import { engineInfo, judgeEngine, MEMORY_PARAMETERS, type EngineInfo, type EngineTarget } from "../setup/engine-check";
import { ok, problem, warning, type Finding } from "./finding";

export interface CheckedEngine {
  findings: Finding[];
  /** What the engine says of itself; undefined when it does not answer. */
  info?: EngineInfo;
}

/** Whether the engine of a stack answers, and can run it. */
export async function checkEngine(stack: string, dockerHost: string, root: string): Promise<CheckedEngine> {
  const { engine, reason } = await findEngine(undefined, dockerHost);
  if (engine === undefined) {
    return { findings: [unreachable(stack, dockerHost, reason)] };
  }
  const info = await engineInfo(dockerHost);
  return { findings: judgeAnswer(engine.version, info, { stack, dockerHost, root }), info };
}

/** Why no engine answers: what a person must do depends on the reason. */
export function unreachable(stack: string, dockerHost: string, reason: string): Finding {
  return problem("engine", `no Docker engine answers at ${dockerHost}: ${reason}`, remedyOf(stack, dockerHost, reason));
}

function remedyOf(stack: string, dockerHost: string, reason: string): string {
  if (process.env.DOCKER_HOST === dockerHost) {
    return "start that engine, or unset DOCKER_HOST";
  }
  if (!isLocal(dockerHost)) {
    return `start that engine, or correct the address: ${nameAnother(stack)}`;
  }
  if (/permission denied/i.test(reason)) {
    return "sudo usermod -aG docker $USER, then log in again";
  }
  return hasSystemd() ? "sudo systemctl start docker" : archon(`setup${stackFlag(stack)}`);
}

function nameAnother(stack: string): string {
  return archon(`pulumi config set archon:dockerHost ADDRESS${stackFlag(stack)}`);
}

/** What an engine that answers cannot do. */
export function judgeAnswer(version: string, info: EngineInfo, target: EngineTarget): Finding[] {
  const { stack, dockerHost } = target;
  if (!atLeast(version, minimumVersion)) {
    return [
      problem(
        "engine",
        `${dockerHost} is release ${version}, at least ${minimumVersion} is needed`,
        `upgrade it, or name another one: ${nameAnother(stack)}`,
      ),
    ];
  }
  try {
    judgeEngine(info, target);
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error;
    }
    const [finding = "", ...remedy] = error.message.split("\n");
    return [problem("engine", finding, remedy.join("\n"))];
  }
  return [
    ok("engine", `Docker ${version} at ${dockerHost}`),
    info.MemoryLimit
      ? ok("memory limits", "the kernel limits the memory of containers")
      : warning(
          "memory limits",
          "the kernel of the engine cannot limit memory, so memoryMiB of archon:services has no effect",
          `start the kernel with the parameters ${MEMORY_PARAMETERS}`,
        ),
  ];
}
