import * as fs from "node:fs";
import * as path from "node:path";
import { freePort, type Checkout, type EngineStack } from "./engine";

/*
 * Makes tests/fixtures/previews: what the real `pulumi preview --json` prints for a stack in different situations,
 * without values of this machine and without fields that the renderer does not read.
 */

interface Recorded {
  config: Record<string, string>;
  steps: { urn: string; op: string; oldState?: Record<string, unknown>; newState?: Record<string, unknown> }[];
}

const stateFields = ["inputs", "retainOnDelete", "pendingReplacement", "delete"];

/** Records every situation of one stack in a directory. The stack must be new. */
export async function recordPreviews(checkout: Checkout, stack: EngineStack, directory: string): Promise<void> {
  fs.mkdirSync(directory, { recursive: true });
  const record = async (name: string): Promise<void> => {
    const json = await stack.pulumi("preview", "--json");
    fs.writeFileSync(path.join(directory, `${name}.json`), `${scrub(json, checkout, stack)}\n`);
  };
  const service = { name: "server", port: await freePort(), memoryMiB: 1024 };
  const server = "applications/reference/archon_server/__init__.py";

  stack.configure({ models: [{ name: "demo", directory: "demo/reranker" }], requireToken: true, services: [service] });
  await record("new");
  stack.configure({ models: [], requireToken: false });
  await stack.up();
  await record("unchanged");
  const first = (await stack.outputs())["release"] as string;

  checkout.edit(server, (text) => `${text}\n# changed\n`);
  await record("server");
  await stack.up();
  stack.configure({ requirements: "tests/support/locks/small-changed.txt" });
  await record("environment");
  await stack.up();
  stack.configure({ release: first });
  await record("rollback");
  stack.configure({ release: "0123456789ab" });
  await record("unknown-release");
  stack.configure({
    release: "",
    requireToken: true,
    models: [
      { name: "demo", directory: "demo/reranker" },
      { name: "hub", repo: "Org/Name", revision: "a".repeat(40) },
    ],
  });
  await record("models-and-token");
  stack.configure({
    requireToken: false,
    models: [],
    services: [{ ...service, port: service.port + 1, memoryMiB: 512 }],
  });
  await record("port");
  stack.configure({ services: [service], rollout: "replace", readyTimeout: 100 });
  await record("replace");
  stack.configure({ root: "relative", retain: 0, rollout: "overlap", readyTimeout: 180 });
  await record("refused");

  stack.configure({ root: checkout.root, retain: 3 });
  checkout.edit(server, (text) => `${text}\nraise RuntimeError("not today")\n`);
  await stack.failingUp();
  checkout.edit(server, (text) => text.replace(/\nraise .*\n/, "\n# fixed\n"));
  await record("after-a-failure");
}

function scrub(json: string, checkout: Checkout, stack: EngineStack): string {
  const { config, steps, ...rest } = JSON.parse(json) as Recorded;
  const small = steps.map((step) => ({
    ...step,
    oldState: narrow(step, step.oldState),
    newState: narrow(step, step.newState),
  }));
  return JSON.stringify({ config, steps: small, ...rest }, undefined, 1)
    .replaceAll(checkout.directory, "/checkout")
    .replaceAll(stack.name, "test");
}

/**
 * The fields of a state that the renderer reads: outputs of the stack itself, none of an unchanged resource unless it is a
 * container.
 */
function narrow(
  { op, urn }: Recorded["steps"][number],
  state: Record<string, unknown> | undefined,
): Record<string, unknown> | undefined {
  if (state === undefined || urn.includes("::pulumi:pulumi:Stack::")) {
    return state && { outputs: state["outputs"] };
  }
  const kept = op === "same" && !urn.includes(":Container::") ? [] : stateFields;
  return Object.fromEntries(Object.entries(state).filter(([field]) => kept.includes(field)));
}
