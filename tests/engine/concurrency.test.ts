import * as fs from "node:fs";
import * as path from "node:path";
import { Checkout, type EngineStack } from "../support/engine";

/** Two updates on one store at the same moment: from nothing, and of stacks that serve. */
jest.setTimeout(600_000);

const checkout = new Checkout();
afterAll(() => {
  checkout.remove();
});

let stacks: EngineStack[];

test("two stacks that come up at once share one environment, and both serve", async () => {
  stacks = [await checkout.stack(), await checkout.stack()];
  await updateAll();
  for (const stack of stacks) {
    expect(await stack.up()).toEqual([]);
  }
  expect(fs.readdirSync(path.join(checkout.root, "envs"))).toHaveLength(1);
  expect(fs.readdirSync(path.join(checkout.root, "refs")).sort()).toEqual(
    stacks.flatMap(({ name }) => [`archon-${name}.json`, `archon-${name}.owner`]).sort(),
  );
});

test("two stacks that change at once, each keeping two releases, collect nothing of each other", async () => {
  stacks.forEach((stack) => {
    stack.configure({ retain: 2 });
  });
  stacks[1]?.configure({ requirements: "tests/support/locks/small-changed.txt" });
  for (const line of ["one", "two", "three"]) {
    checkout.edit("applications/reference/archon_server/__init__.py", (text) => `${text}\n# release ${line}\n`);
    await updateAll();
  }
  for (const stack of stacks) {
    const { environment } = (await stack.outputs()) as { environment: { key: string } };
    expect(fs.readdirSync(path.join(checkout.root, "envs"))).toContain(environment.key);
    expect(await stack.up()).toEqual([]);
  }
});

/** Updates all stacks at once; then all of them must serve. */
async function updateAll(): Promise<void> {
  await Promise.all(stacks.map((stack) => stack.up()));
  for (const stack of stacks) {
    expect((await fetch(`${await stack.url()}/health`)).ok).toBe(true);
  }
}
