import { referenceServer } from "../../applications/reference/application";
import { ensureImage } from "../../commands/lib/images";
import { silent } from "../../commands/lib/progress";
import { findProgram } from "../../commands/setup/docker";
import { devStack } from "../../config/stack";
import type { Release } from "../../release/release";
import { Checkout, docker, hasImage, type EngineStack } from "../support/engine";
import { changesOf, summaryOf } from "../support/preview-summary";
import { Registry } from "../support/registry";

/**
 * An image of a registry, on the real engine with a small environment: it is pulled by digest with the login of the
 * Docker client, and its releases are rolled back and collected like others. The registry is built from its Go module, so
 * the tests are left out where there is no Go. They do not prove that a registry with TLS works.
 */
jest.setTimeout(900_000);

const checkout = new Checkout();
let registry: Registry;
let stack: EngineStack;
let base: string;
let first: string;
let second: string;

const run = findProgram("go") === undefined ? describe.skip : describe;

run("an image of a registry", () => {
  beforeAll(async () => {
    registry = await Registry.start();
    const { image } = referenceServer;
    base = await ensureImage(image, devStack, silent, { args: image.buildArguments({ browser: false }) });
    first = await registry.push(base, "first");
    second = await registry.push(base, "second");
    stack = await checkout.stack({ application: { kind: "reference", image: first }, retain: 2 });
  });
  afterAll(async () => {
    checkout.remove();
    await registry.stop();
  });

  const releases = async (): Promise<Release[]> => (await stack.outputs())["releases"] as Release[];
  const deploy = async (image: string): Promise<void> => {
    stack.configure({ application: { kind: "reference", image }, release: "" });
    await stack.withEnvironment(registry.variables, async () => {
      await stack.up();
    });
  };
  const served = (): string[] =>
    stack.containers("server").map((id) => docker("inspect", "--format={{.Config.Image}}", id));

  test("is not pulled without a login, and nothing runs", async () => {
    expect(await stack.failingUp()).toContain(`unable to pull image ${first}`);
    expect(stack.containers("server")).toEqual([]);
  });

  test("is pulled by its digest, and a second update changes nothing", async () => {
    expect(changesOf(summaryOf(await stack.pulumi("preview", "--json")))).toContain(`fetch image ${first}`);
    expect(hasImage(first)).toBe(false);

    await deploy(first);

    expect(served()).toEqual([first]);
    expect((await fetch(`${await stack.url()}/health`)).status).toBe(200);
    expect(await stack.up({ refresh: true })).toEqual([]);
  });

  test("makes another release with another digest, and a rollback needs no registry", async () => {
    await deploy(second);
    const [, before] = await releases();
    stack.configure({ release: before?.id });

    const steps = await stack.up();

    expect(served()).toEqual([first]);
    expect(steps.map(({ type }) => type)).not.toContain("docker:index/remoteImage:RemoteImage");
  });

  test("that was removed by hand is missed, and a pull brings it back", async () => {
    const [, other] = await releases();
    docker("image", "rm", second);
    stack.configure({ application: { kind: "reference", image: first }, release: other?.id });

    expect(await stack.failingUp()).toContain(`\`docker pull ${second}\` brings it back`);

    await registry.pull(second);
    await stack.up();
    expect(served()).toEqual([second]);
  });

  test("stays in the engine while a release names it, and is collected afterwards", async () => {
    await deploy(await registry.push(base, "third"));
    expect([hasImage(first), hasImage(second)]).toEqual([false, true]);
    expect((await releases()).map(({ images }) => hasImage(images.server))).toEqual([true, true]);
  });
});
