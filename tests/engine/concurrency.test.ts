import * as fs from "node:fs";
import * as path from "node:path";
import { Checkout } from "../support/engine";

/** Two updates on one store at the same moment, from nothing. */
jest.setTimeout(600_000);

const checkout = new Checkout();
afterAll(() => {
  checkout.remove();
});

test("two stacks that come up at once share one environment, and both serve", async () => {
  const stacks = [await checkout.stack(), await checkout.stack()];
  await Promise.all(stacks.map((stack) => stack.up()));
  for (const stack of stacks) {
    expect((await fetch(`${await stack.url()}/health`)).ok).toBe(true);
    expect(await stack.up()).toEqual([]);
  }
  expect(fs.readdirSync(path.join(checkout.root, "envs"))).toHaveLength(1);
  expect(fs.readdirSync(path.join(checkout.root, "refs")).sort()).toEqual(
    stacks.flatMap(({ name }) => [`archon-${name}.json`, `archon-${name}.owner`]).sort(),
  );
});

test("two stacks that change at once, each keeping two releases, collect nothing of each other", async () => {
  const stacks = [
    await checkout.stack({ retain: 2 }),
    await checkout.stack({ retain: 2, requirements: "tests/support/locks/small-changed.txt" }),
  ];
  await Promise.all(stacks.map((stack) => stack.up()));
  for (const line of ["one", "two", "three"]) {
    checkout.edit("applications/reference/archon_server/__init__.py", (text) => `${text}\n# release ${line}\n`);
    await Promise.all(stacks.map((stack) => stack.up()));
    for (const stack of stacks) {
      expect((await fetch(`${await stack.url()}/health`)).ok).toBe(true);
    }
  }
  for (const stack of stacks) {
    const { environment } = (await stack.outputs()) as { environment: { key: string } };
    expect(fs.readdirSync(path.join(checkout.root, "envs"))).toContain(environment.key);
    expect(await stack.up()).toEqual([]);
  }
});
