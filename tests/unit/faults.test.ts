import { Random } from "../support/random";

test("a seed repeats its numbers, another one has others, and all are shares", () => {
  const draw = (seed: number): number[] => {
    const random = new Random(seed);
    return Array.from({ length: 1000 }, () => random.next());
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(8)).not.toEqual(draw(7));
  expect(draw(7).every((share) => share >= 0 && share < 1)).toBe(true);
  expect(
    new Set(
      Array.from(
        { length: 200 },
        (
          (random) => () =>
            random.pick(["a", "b", "c"])
        )(new Random(1)),
      ),
    ),
  ).toEqual(new Set(["a", "b", "c"]));
});
