import * as fs from "node:fs";
import * as path from "node:path";
import { Checkout, docker, logsOf, type EngineStack } from "../support/engine";

/**
 * Looks for the plain text of the secrets wherever something is kept or printed. That TLS protects them on the wire is
 * not proven.
 */
jest.setTimeout(600_000);

const HUB_TOKEN = "hf_canaryCanaryCanary0123456789";
const VARIABLE = "sk-canaryCanaryCanary9876543210";
const checkout = new Checkout();
let stack: EngineStack;
let apiToken: string;
const printed: string[] = [];
beforeAll(async () => {
  stack = await checkout.stack({ requireToken: true });
  await stack.setSecret("hubToken", HUB_TOKEN);
  printed.push(await stack.upOutput());
  ({ apiToken } = (await stack.outputs()) as { apiToken: string });
});
afterAll(() => {
  checkout.remove();
});

test("the API asks for the token, and takes it", async () => {
  const ask = async (authorization?: string): Promise<number> =>
    (
      await fetch(`${await stack.url()}/api/knowledge-items`, {
        headers: authorization === undefined ? {} : { authorization },
      })
    ).status;
  expect(apiToken).toMatch(/^[A-Za-z0-9]{40}$/);
  expect(await ask()).toBe(401);
  expect(await ask(`Bearer ${apiToken.slice(1)}x`)).toBe(401);
  expect(await ask(`Bearer ${apiToken}`)).toBe(200);
});

test("a fetch that fails with the hub's token does not print it", async () => {
  stack.configure({
    hubEndpoint: "http://127.0.0.1:9",
    models: [{ name: "m", repo: "Org/Name", revision: "a".repeat(40) }],
  });
  printed.push(await stack.failingUp());
  expect(printed[1]).toContain("127.0.0.1:9");
  stack.configure({ models: [] });
});

test("a secret variable of a service reaches its server", async () => {
  await stack.setSecret("services[0].variables.OPENAI_API_KEY", VARIABLE);
  printed.push(await stack.upOutput());
  expect(docker("exec", stack.containers("server")[0] ?? "", "printenv", "OPENAI_API_KEY")).toBe(VARIABLE);
});

test("no secret is in the state, in what was printed, in a log, or in an image's history", async () => {
  const { images } = (await stack.outputs()) as { images: Record<string, string> };
  const logs = path.join(checkout.directory, ".archon", "logs");
  const places: Record<string, string> = {
    state: stack.state(),
    "output of the updates": printed.join("\n"),
    ...Object.fromEntries(fs.readdirSync(logs).map((file) => [file, fs.readFileSync(path.join(logs, file), "utf8")])),
    ...Object.fromEntries(
      Object.values(images).map((image) => [image, docker("history", "--no-trunc", image) + docker("inspect", image)]),
    ),
    ...Object.fromEntries(stack.containers("server").map((id) => [`log of ${id}`, logsOf(id)])),
  };
  expect(Object.keys(places)).toEqual(
    expect.arrayContaining([...Object.values(images), `log of ${stack.containers("server")[0] ?? ""}`]),
  );
  for (const secret of [HUB_TOKEN, apiToken, VARIABLE]) {
    expect(
      Object.entries(places)
        .filter(([, text]) => text.includes(secret))
        .map(([place]) => place),
    ).toEqual([]);
  }
});
