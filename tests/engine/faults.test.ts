import { updateFaults } from "../support/faults";

/** A few of the runs of `./archon test-soak --up N`, which is for many: kills at random moments of real updates. */
jest.setTimeout(1_800_000);

test("updates that are killed anywhere leave nothing broken", async () => {
  const lines: string[] = [];
  const { broken, hit } = await updateFaults({ runs: 5, seed: 3, print: (line) => lines.push(line) });
  expect(broken).toEqual([]);
  // The moments are the machine's; that none was hit at all would prove nothing.
  expect({ hit, lines }).toEqual({ hit: expect.any(Number) as number, lines: expect.any(Array) as string[] });
  expect(hit).toBeGreaterThan(0);
});
