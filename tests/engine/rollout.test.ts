import * as fs from "node:fs";
import * as path from "node:path";
import { Checkout, fullStack, type EngineStack } from "../support/engine";
import { Load } from "../support/load";

/**
 * Nothing a client asks is lost while releases fail, and the next good one takes over. ARCHON_TEST_ROUNDS is how often
 * each kind fails, three times at most. As often, without that limit, releases then also change and are rolled back, which
 * releases.test.ts does once. The figures in docs/operations.md are those of 10 rounds of changes and 3 of failures, all of
 * them with the real ML environment.
 */
jest.setTimeout(3_600_000);

/** Whether the file runs alone. */
const alone = process.env["ARCHON_TEST_ROUNDS"] !== undefined;
const rounds = Number(process.env["ARCHON_TEST_ROUNDS"] ?? "1");
/** In a run of all tests a load that takes both processors would slow down the files beside this one. */
const requestsPerSecond = { full: alone ? 60 : 4, small: alone ? 60 : 10 };
const checkout = new Checkout();
const loads: Load[] = [];
afterAll(() => {
  loads.forEach((load) => {
    load.end();
  });
  checkout.remove();
});

/** Deploys a stack and starts to ask it. */
async function deployUnderLoad(stack: EngineStack, rate: number): Promise<Load> {
  await stack.up();
  const load = new Load(await stack.url(), rate);
  loads.push(load);
  await load.start();
  return load;
}

async function expectNothingLost(stack: EngineStack, load: Load): Promise<void> {
  const report = await load.stop();
  console.log(
    `${report.searches} searches and ${report.uploads} uploads (${report.retries} retries) in ${report.seconds.toFixed(0)} s, ` +
      `${((report.searches + report.uploads) / report.seconds).toFixed(0)} requests a second`,
  );
  expect(report.lost).toEqual([]);
  expect((report.searches + report.uploads) / report.seconds).toBeGreaterThan(0);
  expect(stack.containers("server")).toHaveLength(1);
}

const SERVER = "applications/reference/archon_server/__init__.py";
const MAIN = "applications/reference/archon_server/main.py";
const GATEWAY = "gateway/haproxy.cfg";
const original = new Map(
  [SERVER, MAIN, GATEWAY].map((file) => [file, fs.readFileSync(path.join(checkout.directory, file), "utf8")]),
);
/** Undoes all edits of the sources, and adds lines to the server. */
const server = (more: string): void => {
  original.forEach((text, file) => {
    checkout.edit(file, () => (file === SERVER ? `${text}\n${more}\n` : text));
  });
};
const running = async (stack: EngineStack): Promise<string> => (await stack.outputs())["release"] as string;
/** The release of the server that answers, which must be ready. */
const served = async (stack: EngineStack): Promise<string> => {
  const health = await fetch(`${await stack.url()}/health`);
  expect(health.status).toBe(200);
  return ((await health.json()) as { release: string }).release;
};

const LATER =
  "import os, threading, time\ndef _end():\n    import urllib.request\n    while True:\n        try:\n            urllib.request.urlopen('http://127.0.0.1:8181/health')\n            os._exit(1)\n        except OSError:\n            time.sleep(0.1)\nthreading.Thread(target=_end, daemon=True).start()";
/** How a release can be bad, and what the update then says: a pattern, and texts that depend on the stack. */
interface Failure {
  spoil: (stack: EngineStack) => void;
  message: RegExp;
  texts?: (stack: EngineStack, outputs: Record<string, unknown>) => string[];
}

const beforeTheModel: Record<string, Failure> = {
  "a syntax error in the application": {
    spoil: () => {
      server("def (");
    },
    message: /SyntaxError|executor failed running/,
  },
  "an application that ends at its start": {
    spoil: () => {
      server("raise RuntimeError('not today')");
    },
    message: /The new server is not ready: it stopped by itself[^]*not today/,
  },
  "a server that the gateway does not reach": {
    spoil: () => {
      // Its own health check finds it there.
      checkout.edit(MAIN, (text) => text.replace('host="0.0.0.0"', 'host="127.0.0.1"'));
    },
    message:
      /The new server is not ready: within 45 s \(archon:readyTimeout\) \S+\/health has not answered from it; the last answer is: 200 from the server at /,
    texts: (stack, { url, release }) => [
      `${String(url)}/health has not answered from it`,
      `The service keeps running release ${String(release)}.`,
      `See all of the log with: docker logs ${String(stack.containers("gateway")[0]?.slice(0, 12))}`,
    ],
  },
  "a server that crashes right after it was ready": {
    spoil: () => {
      server(LATER);
    },
    message: /The new server is not ready: it stopped by itself/,
  },
  "a server that hangs": {
    spoil: (stack) => {
      server("import time\ntime.sleep(3600)");
      stack.configure({ readyTimeout: 15 });
    },
    message: /did not become ready within 15 s [^]*its health check says: no answer within 5 s/,
  },
  "a server that needs too much memory": {
    spoil: () => {
      server("hog = b'x' * (4 << 30)");
    },
    message: /ran out of memory|stopped by itself/,
  },
  "a mount that is missing": {
    spoil: (stack) => {
      stack.configure({ caBundle: "/nonexistent/ca.pem" });
    },
    message: /nonexistent/,
  },
};

const withTheModel: Record<string, Failure> = {
  "a broken package": {
    spoil: (stack) => {
      stack.configure({ requirements: "tests/support/locks/small.txt", imports: ["six"] });
    },
    message: /it reports failed: [^]*not installed/,
  },
  "a model that is none": {
    spoil: (stack) => {
      modelFrom(stack, (file, bytes) => (file === "model.safetensors" ? shuffled(bytes) : bytes));
    },
    message: /it reports failed: /,
  },
  "damaged weights": {
    spoil: (stack) => {
      modelFrom(stack, (file, bytes) => (file === "model.safetensors" ? bytes.subarray(0, bytes.length / 2) : bytes));
    },
    message: /it reports failed: [^]*cannot be loaded/,
  },
};

/** Updates a stack to a bad release, which must fail, and then to a good one. */
async function failAndRecover(stack: EngineStack, kind: string, failure: Failure): Promise<void> {
  const { configuration } = stack;
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const servers = stack.containers("server");
    const outputs = await stack.outputs();
    try {
      failure.spoil(stack);
      const message = await stack.failingUp();
      expect(message).toMatch(failure.message);
      failure.texts?.(stack, outputs).forEach((text) => {
        expect(message).toContain(text);
      });
      expect(stack.containers("server")).toEqual(servers);
      expect(await served(stack)).toBe(outputs["release"]);
      // The ledger is among them: a release that never ran is not one to go back to.
      expect(await stack.outputs()).toEqual(outputs);
    } finally {
      // Otherwise every later test would fail too.
      server(`# fixed ${kind} ${round}`);
      stack.configuration = configuration;
    }
    await stack.up();
    expect(await served(stack)).toBe(await running(stack));
    expect(stack.containers("server")).toHaveLength(1);
  }
}

/** Releases a change, rolls it back, and takes the rollback back. */
async function changeAndRollBack(stack: EngineStack): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const before = await running(stack);
    server(`# release ${round}`);
    await stack.up();
    const after = await running(stack);
    expect(after).not.toBe(before);
    stack.configure({ release: before });
    await stack.up();
    expect(await running(stack)).toBe(before);
    stack.configure({ release: "" });
    await stack.up();
    expect(await running(stack)).toBe(after);
  }
}

const CHANGES = "releases change and are rolled back";
const TITLE = "%s fails the update with the reason, and the old release keeps running";
const NOTHING_LOST = "no request was lost and none was answered wrongly";

describe("with the real ML environment and the demo model", () => {
  let stack: EngineStack;
  let load: Load;
  beforeAll(async () => {
    stack = await fullStack(checkout);
    load = await deployUnderLoad(stack, requestsPerSecond.full);
  });

  if (alone) {
    test(CHANGES, () => changeAndRollBack(stack));
  }

  test.each(Object.entries(withTheModel))(TITLE, async (kind, failure) => {
    await failAndRecover(stack, kind, failure);
  });

  test("the snapshots of the releases that failed are collected, the one that serves is not", async () => {
    const { models } = (await stack.outputs()) as { models: { revision: string }[] };
    expect(fs.readdirSync(path.join(stack.root, "models/huggingface/hub/models--local--demo/snapshots"))).toEqual(
      models.map(({ revision }) => revision),
    );
  });

  test(NOTHING_LOST, async () => {
    await expectNothingLost(stack, load);
  });
});

/** A server without a model starts in a fraction of the time, and these tests need none. */
describe("with a small environment and no model", () => {
  let stack: EngineStack;
  let load: Load;
  beforeAll(async () => {
    stack = await checkout.stack({ readyTimeout: 45 });
    load = await deployUnderLoad(stack, requestsPerSecond.small);
  });

  if (alone) {
    test(CHANGES, () => changeAndRollBack(stack));
  }

  test.each(Object.entries(beforeTheModel))(TITLE, async (kind, failure) => {
    await failAndRecover(stack, kind, failure);
  });

  test(NOTHING_LOST, async () => {
    await expectNothingLost(stack, load);
  });

  // Without load: a new gateway needs the port of the old one, so requests are lost.
  test("a new gateway that reaches no server fails the update with its answer, and stops no server", async () => {
    const servers = stack.containers("server");
    const [gateway] = stack.containers("gateway");
    checkout.edit(GATEWAY, (text) => text.replace("${ARCHON_ALIAS}:${ARCHON_SERVER_PORT}", "${ARCHON_ALIAS}:9"));
    expect(await stack.failingUp()).toMatch(/has not answered from it; the last answer is: 503 Service Unavailable\. /);
    expect(stack.containers("server")).toEqual(servers);
    checkout.edit(GATEWAY, () => String(original.get(GATEWAY)));
    await stack.up();
    expect(await served(stack)).toBe(await running(stack));
    expect(stack.containers("server")).toEqual(servers);
    expect(stack.containers("gateway")).not.toEqual([gateway]);
  });
});

/** Makes the stack's model another one: the demo model with changed files. */
function modelFrom(stack: EngineStack, change: (file: string, bytes: Buffer) => Buffer): void {
  const [from, to] = [path.join(checkout.directory, "demo/reranker"), path.join(checkout.directory, "models/spoiled")];
  fs.mkdirSync(to, { recursive: true });
  for (const file of fs.readdirSync(from)) {
    fs.writeFileSync(path.join(to, file), change(file, fs.readFileSync(path.join(from, file))));
  }
  stack.configure({ models: [{ name: "demo", directory: "models/spoiled" }] });
}

/** The bytes of the weights in reverse order: a file with the right shapes that judges nothing. */
function shuffled(bytes: Buffer): Buffer {
  const header = 8 + Number(bytes.readBigUInt64LE(0));
  return Buffer.concat([bytes.subarray(0, header), bytes.subarray(header).reverse()]);
}
