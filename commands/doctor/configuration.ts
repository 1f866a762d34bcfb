import * as fs from "node:fs";
import * as path from "node:path";
import type { Application } from "../../applications/application";
import type { StackHost } from "../../config/machine";
import { stackFile, stackHost } from "../../config/stack";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { stackApplication } from "../lib/application";
import { stackFlag } from "../lib/options";
import { ok, problem, type Finding } from "./finding";

export interface Configuration {
  findings: Finding[];
  /** Where the stack runs; undefined when that cannot be read, and then nothing else can be looked at. */
  host?: StackHost;
  /** Undefined when the stack's file does not exist, or names one that cannot be used. */
  application?: Application;
}

/** What the stack is configured with, as far as the commands read it. `./archon preview` checks all of it. */
export function checkConfiguration(stack: string): Configuration {
  const file = path.basename(stackFile(stack));
  let host: StackHost;
  try {
    host = stackHost(stack);
  } catch (error) {
    return { findings: [unreadable(error, `correct that, then ${archon(`doctor${stackFlag(stack)}`)} again`)] };
  }
  if (!fs.existsSync(stackFile(stack))) {
    return { findings: [problem("configuration", `there is no ${file}`, archon(`pulumi stack init ${stack}`))], host };
  }
  try {
    const application = stackApplication(stack);
    return { findings: [ok("configuration", `the application ${application.name ?? "reference"}`)], host, application };
  } catch (error) {
    return { findings: [unreadable(error, archon(`preview${stackFlag(stack)}`))], host };
  }
}

function unreadable(error: unknown, remedy: string): Finding {
  if (!(error instanceof UserError)) {
    throw error;
  }
  return problem("configuration", error.message, remedy);
}
