import fc from "fast-check";
import { parseLedger } from "../../release/ledger";
import { plan, PlanError, type Plan, type PlanInput } from "../../release/plan";
import { snapshotOf, type Release } from "../../release/release";

/** Proves decisions. That what is kept survives and what is not goes, the store tool's tests and the engine prove. */
const letter = fc.constantFrom(..."abcdefgh");
const release = (id: string, environment: string, model: string): Release => ({
  id,
  created: `2026-01-0${(id.charCodeAt(0) % 8) + 1}T00:00:00.000Z`,
  images: { server: `archon-server:${id}`, bootstrap: `archon-bootstrap:${environment}`, gateway: "archon-gateway:1" },
  environment,
  models: [{ name: "m", repo: "a/b", revision: model }],
  activeModel: "m",
});
const anyRelease = fc.tuple(letter, letter, letter).map(([id, environment, model]) => release(id, environment, model));
const anyLedger = fc.uniqueArray(anyRelease, { selector: ({ id }) => id, maxLength: 6 });
const anyInput: fc.Arbitrary<PlanInput> = fc.record({
  candidate: anyRelease,
  releases: anyLedger,
  sharedImages: fc.option(fc.constant({ bootstrap: "archon-bootstrap:now", gateway: "archon-gateway:now" }), {
    nil: undefined,
  }),
  requestedId: fc.option(letter, { nil: "" }),
  retain: fc.integer({ min: 2, max: 5 }),
  unavailableReason: fc
    .func(fc.constantFrom(undefined, undefined, "it is missing"))
    .map((decide) => (each: Release) => decide(each.id)),
});
const attempt = (input: PlanInput): Plan | PlanError => {
  try {
    return plan(input);
  } catch (error) {
    if (error instanceof PlanError) {
      return error;
    }
    throw error;
  }
};
const ids = (releases: readonly Release[]): string[] => releases.map(({ id }) => id);

test("the active release leads the ledger, the others follow in their order, and no more are kept than asked for", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const result = attempt(input);
      fc.pre(!(result instanceof PlanError));
      expect(ids(result.releases)).toEqual(
        [result.active.id, ...ids(input.releases).filter((id) => id !== result.active.id)].slice(0, input.retain),
      );
      expect(result.active.id).toBe(input.requestedId === "" ? input.candidate.id : input.requestedId);
      expect(result.rollbackTarget).toEqual(result.releases.slice(1).find(({ lost }) => lost === undefined));
    }),
  );
});

test("whatever a kept release or a tool needs is kept, and nothing else", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const result = attempt(input);
      fc.pre(!(result instanceof PlanError));
      const { releases, sharedImages, retained } = result;
      expect(new Set(retained.images)).toEqual(
        new Set([
          ...releases.flatMap(({ images }) => Object.values(images)),
          sharedImages.bootstrap,
          sharedImages.gateway,
        ]),
      );
      expect(new Set(retained.environments)).toEqual(new Set(releases.map(({ environment }) => environment)));
      expect(new Set(retained.models)).toEqual(new Set(releases.flatMap(({ models }) => models.map(snapshotOf))));
    }),
  );
});

test("the release that runs now is always kept, so that a failed update has something to go back to", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const [running] = input.releases;
      const result = attempt(input);
      fc.pre(running !== undefined && !(result instanceof PlanError));
      expect(ids(result.releases)).toContain(running.id);
    }),
  );
});

test("planning again after a successful update changes nothing", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const first = attempt(input);
      fc.pre(!(first instanceof PlanError));
      const second = plan({
        ...input,
        releases: first.releases,
        sharedImages: first.sharedImages,
        unavailableReason: (each) => (each.id === first.active.id ? undefined : input.unavailableReason(each)),
      });
      expect(second).toEqual(first);
    }),
  );
});

test("a wanted release is refused exactly when it is unknown or lost a part, and the message lists those that can be run", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const { requestedId, releases, candidate, unavailableReason } = input;
      const known = releases.find(({ id }) => id === requestedId);
      const result = attempt(input);
      const refused =
        requestedId !== "" &&
        requestedId !== candidate.id &&
        (known === undefined || unavailableReason(known) !== undefined);
      expect(result instanceof PlanError).toBe(refused);
      if (result instanceof PlanError) {
        releases
          .filter((each) => unavailableReason(each) === undefined)
          .forEach(({ id }) => {
            expect(result.message).toContain(id);
          });
      }
    }),
  );
});

test("a release made again keeps the moment and the commit of its first run", () => {
  const old = {
    ...release("a", "e", "m"),
    created: "2020-01-01T00:00:00.000Z",
    commit: "1".repeat(40),
    message: "first",
  };
  const again = { ...release("a", "e", "m"), commit: "2".repeat(40), message: "second" };
  expect(
    plan({
      candidate: again,
      releases: [old],
      sharedImages: undefined,
      requestedId: "",
      retain: 2,
      unavailableReason: () => undefined,
    }).active,
  ).toMatchObject({ created: old.created, commit: old.commit, message: "first" });
});

test("a lost release stays in the ledger with the reason, and loses it when the part is back", () => {
  const input = {
    candidate: release("a", "e", "m"),
    releases: [release("b", "e", "m")],
    sharedImages: undefined,
    requestedId: "",
    retain: 3,
  };
  const [, marked] = plan({ ...input, unavailableReason: () => "the image is missing" }).releases;
  expect(marked).toMatchObject({ id: "b", lost: "the image is missing" });
  expect(
    plan({ ...input, releases: marked === undefined ? [] : [marked], unavailableReason: () => undefined }).releases[1],
  ).toEqual(release("b", "e", "m"));
});

test("outputs of a stack without a ledger are an empty one, and of another shape are refused", () => {
  expect(parseLedger({ releases: [], images: undefined })).toMatchObject({ releases: [], sharedImages: undefined });
  expect(() => parseLedger({ releases: [{ id: 7 }] })).toThrow(/"releases" is not a ledger/);
});
