import { HUB_TOKEN } from "../../config/schema";
import { project, readKey } from "../../config/stack";
import { pulumi } from "./pulumi";

/** The token for a stack's hub: HF_TOKEN, or else `archon:hubToken`, decrypted; undefined when there is neither. */
export async function configuredToken(stack: string): Promise<string | undefined> {
  const fromStack = async (): Promise<string | undefined> =>
    readKey(HUB_TOKEN, stack) === undefined
      ? undefined
      : (await pulumi(stack, ["config", "get", `${project}:${HUB_TOKEN}`])).trim();
  return process.env.HF_TOKEN ?? fromStack();
}
