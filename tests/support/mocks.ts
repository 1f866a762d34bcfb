import * as pulumi from "@pulumi/pulumi";

/** A registered resource as the engine would get it. Mocks show inputs and wiring; only the engine shows behaviour. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  opts: pulumi.CustomResourceOptions;
}

/** What a program returned, and what it registered. */
export interface Deployed<T> {
  result: T;
  resources: Registered[];
  /** The only resource of a type, or of a type and a name. */
  sole: (type: string, name?: string) => Registered;
}

/**
 * Runs a program against mocks and waits until every registration has happened. The options of resources come from a
 * stack transformation, because mocks do not see them. A call of a provider's function fails the program.
 */
export async function deploy<T>(program: () => T): Promise<Deployed<T>> {
  // Pulumi reads the stack trace of every promise that it makes, and jest maps each one to its source: most of a test's
  // time.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 1;
  try {
    return await runProgram(program);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function runProgram<T>(program: () => T): Promise<Deployed<T>> {
  const calls: pulumi.runtime.MockResourceArgs[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        calls.push(args);
        return { id: `${args.name}-id`, state: { name: args.name, ...(args.inputs as object) } };
      },
      call: (args) => {
        throw new Error(`Unexpected provider call: ${args.token}`);
      },
    },
    "archon",
    "test",
    false,
  );
  const opts = new Map<string, pulumi.ResourceOptions>();
  let outcome: { result: T } | { failure: unknown } = { failure: new Error("The program did not run.") };
  await pulumi.runtime.runInPulumiStack(async () => {
    pulumi.runtime.registerStackTransformation((args) => {
      opts.set(`${args.type}::${args.name}`, args.opts);
      return undefined;
    });
    try {
      outcome = { result: program() };
    } catch (failure) {
      outcome = { failure };
    }
    return {};
  });
  await pulumi.runtime.disconnect();
  if ("failure" in outcome) {
    throw outcome.failure;
  }
  const resources = calls
    .filter(({ type }) => type !== "pulumi:pulumi:Stack")
    .map(({ type, name, inputs }) => ({
      type,
      name,
      inputs: inputs as Record<string, unknown>,
      opts: opts.get(`${type}::${name}`) ?? {},
    }));
  const sole = (type: string, name?: string): Registered => {
    const found = resources.filter((each) => each.type === type && (name === undefined || each.name === name));
    if (found.length !== 1 || found[0] === undefined) {
      throw new Error(
        `Expected one ${type} ${name ?? ""}, found ${found.map((each) => each.name).join(", ") || "none"}.`,
      );
    }
    return found[0];
  };
  return { result: (outcome as { result: T }).result, resources, sole };
}

/** How a secret property looks among mock inputs. */
export function isSecret(value: unknown): boolean {
  return typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value;
}
