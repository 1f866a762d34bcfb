import { command, prepareCommands } from "../support/commands";
import { Checkout, docker, hasImage, inspect, type EngineStack, type Step } from "../support/engine";

/**
 * A stack that the last commit before the redesign deployed, updated by today's program: the same state, the same
 * store. What no test here shows: an upgrade from an earlier commit.
 */
jest.setTimeout(900_000);

const before = new Checkout("6972b94");
const today = new Checkout();
let stack: EngineStack;
let old: Deployed;
let serverBefore = "";
let refused = "";
let recovered = "";
let steps: string[] = [];

interface Deployed {
  release: string;
  environment: { key: string };
  images: { server: string; gateway: string; bootstrap: string };
}

const deployed = async (): Promise<Deployed> => (await stack.outputs()) as unknown as Deployed;
const names = (made: Step[]): string[] => [...new Set(made.map(({ name }) => name))].sort();
const running = async (): Promise<string> =>
  ((await (await fetch(`${await stack.url()}/health`)).json()) as { release: string }).release;
const serverImage = (): string | undefined => inspect(stack.containers("server")[0] ?? "").Config.Image;

async function upload(): Promise<void> {
  const form = new FormData();
  form.append("file", new Blob(["# Otters\n\nSea otters sleep on their backs and hold paws.\n"]), "otters.md");
  const response = await fetch(`${await stack.url()}/api/documents/upload`, { method: "POST", body: form });
  expect(response.status).toBe(200);
  for (const deadline = Date.now() + 60_000; !(await found());) {
    expect(Date.now()).toBeLessThan(deadline);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Whether a search through the gateway finds the document. */
async function found(): Promise<boolean> {
  const response = await fetch(`${await stack.url()}/api/rag/query`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "How do otters sleep?", match_count: 1 }),
  });
  const { results } = (await response.json()) as { results: { content: string }[] };
  return results[0]?.content.includes("hold paws") ?? false;
}

beforeAll(async () => {
  stack = await before.stack();
  await stack.up();
  await upload();
  old = await deployed();
  serverBefore = stack.containers("server")[0] ?? "";
  const stranger = await today.stack({}, stack.name);
  refused = await stranger.failingUp();
  prepareCommands(today);
  recovered = command(today, "recover", "--stack", stack.name).output;
  stack = await today.adopt(stack);
  steps = names(await stack.up());
});
afterAll(() => {
  before.remove();
  today.remove();
});

test("the update replaces the server because its image has changed, and makes environment, network and data not again", async () => {
  const now = await deployed();
  expect(now.environment).toEqual(old.environment);
  expect(now.images.server).not.toBe(old.images.server);
  expect(stack.containers("server")).toHaveLength(1);
  expect(stack.containers("server")).not.toContain(serverBefore);
  const gateway = now.images.gateway === old.images.gateway ? [] : ["server-gateway", "gateway-image-[0-9a-f]+"];
  const expected = [
    "server-0",
    "server-0-ready",
    "server-drain",
    "server-image-.+",
    "(bootstrap|tools)-image-.+",
    ...gateway,
  ];
  const allowed = new RegExp(`^archon-(${[...expected, "hold-.+", "store-claim-.+", "collection-.+"].join("|")})$`);
  expect(steps.filter((name) => !allowed.test(name))).toEqual([]);
});

test("a document that was uploaded before is found", async () => {
  expect(await found()).toBe(true);
  expect(await running()).toBe((await deployed()).release);
});

test("a stack from before deployments had an id is refused to a clone, and is the own one to its state", async () => {
  expect(refused).toContain("from another deployment: an earlier version made it, which did not record whose it is");
  expect(recovered).toContain("nothing to remove");
  const [server = ""] = stack.containers("server");
  expect(docker("inspect", "--format", '{{index .Config.Labels "io.archon.deployment"}}', server)).toMatch(
    /^[0-9a-f-]{36}$/,
  );
});

test("a second update changes nothing", async () => {
  expect(await stack.up()).toEqual([]);
});

test("a rollback runs the release from before the redesign, and the way forward is open", async () => {
  const { release, images } = await deployed();
  expect(hasImage(old.images.server)).toBe(true);
  stack.configure({ release: old.release });
  await stack.up();
  expect(await running()).toBe(old.release);
  expect(serverImage()).toContain(old.images.server);
  expect(await found()).toBe(true);

  stack.configure({ release: "" });
  await stack.up();
  expect(await running()).toBe(release);
  expect(serverImage()).toContain(images.server);
  expect(await found()).toBe(true);
  expect(await stack.up()).toEqual([]);
});
