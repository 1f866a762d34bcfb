import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Checkout } from "../support/engine";
import { recordPreviews } from "../support/record-previews";
import { summaryOf, changesOf } from "../support/preview-summary";

/**
 * The recorded previews that the unit tests read are still what Pulumi says: new ones report the same changes.
 * RECORD_PREVIEWS=1 writes the new ones over the old ones.
 */
jest.setTimeout(1_200_000);

const fixtures = path.join(__dirname, "..", "fixtures", "previews");
const fresh =
  process.env["RECORD_PREVIEWS"] === undefined ? fs.mkdtempSync(path.join(os.tmpdir(), "archon-previews-")) : fixtures;
const checkout = new Checkout();
afterAll(() => {
  checkout.remove();
  if (fresh !== fixtures) {
    fs.rmSync(fresh, { recursive: true });
  }
});

test("every recorded preview reports the same changes as a new one of the same situation", async () => {
  await recordPreviews(checkout, await checkout.stack(), fresh);
  const names = fs.readdirSync(fixtures).sort();
  expect(fs.readdirSync(fresh).sort()).toEqual(names);
  const all = (directory: string): unknown[] =>
    names.map((name) => ({ name, ...essence(fs.readFileSync(path.join(directory, name), "utf8")) }));
  expect(all(fresh)).toEqual(all(fixtures));
});

/** What does not depend on the moment and the machine. */
function essence(json: string): object {
  const summary = summaryOf(json);
  return {
    changes: changesOf(summary).sort(),
    downtime: summary.downtime.expected,
    release: [summary.release.current !== undefined, summary.release.next !== undefined],
    problems: summary.problems.map((problem) => problem.replace(/\b[0-9a-f]{12}\b/g, "ID")),
  };
}
