import { MissingStack } from "../../commands/lib/pulumi";
import { CommandError } from "../../commands/lib/run";
import { readLedger } from "../../commands/releases/ledger";
import { storeRoot } from "../../commands/store/store-tool";
import { configuredValue, devStack } from "../../config/stack";

jest.mock("../../commands/releases/ledger");

// Pulumi is not started. That its message about a missing stack becomes a MissingStack, the engine tests show.

test.each([
  ["is not in the state", new MissingStack("There is no stack")],
  ["cannot be read", new CommandError("pulumi", "failed with exit code 1", [])],
])("the store of a stack that %s is where its file says", async (_, error) => {
  jest.mocked(readLedger).mockRejectedValue(error);
  expect(await storeRoot(devStack)).toBe(configuredValue("root", devStack));
});

test("any other error is not hidden", async () => {
  jest.mocked(readLedger).mockRejectedValue(new Error("ours"));
  await expect(storeRoot(devStack)).rejects.toThrow("ours");
});
