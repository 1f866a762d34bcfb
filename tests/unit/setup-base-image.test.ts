import { DEBIANS } from "../../config/python";
import { hasApt } from "../../commands/setup/apt";
import { ensureBaseImage, ownBaseImage, type BaseImageRequest } from "../../commands/setup/base-image";
import { buildBaseImage } from "../../commands/setup/debootstrap";
import { isRoot } from "../../commands/setup/docker";
import { imageExists } from "../../commands/lib/docker";
import { silent } from "../../commands/lib/progress";
import { CommandError, run } from "../../commands/lib/run";

jest.mock("../../commands/setup/apt", () => ({
  hasApt: jest.fn(),
  readOsRelease: () => ({ prettyName: "Fedora Linux 43" }),
}));
jest.mock("../../commands/setup/debootstrap", () => ({ buildBaseImage: jest.fn(async () => undefined) }));
jest.mock("../../commands/setup/docker", () => ({ isRoot: jest.fn() }));
jest.mock("../../commands/lib/docker", () => ({
  ...jest.requireActual<object>("../../commands/lib/docker"),
  imageExists: jest.fn(),
}));
jest.mock("../../commands/lib/run", () => ({
  ...jest.requireActual<object>("../../commands/lib/run"),
  run: jest.fn(),
}));

// Which image is taken, and in which order. That debootstrap and `docker import` make a working one, only the set-up
// itself shows.

const pinned = DEBIANS["3.11"].image;
const own = ownBaseImage("3.11");
const nothingKnown: BaseImageRequest = {
  python: "3.11",
  configured: undefined,
  recorded: undefined,
  caBundle: "/ca.pem",
  engineHost: undefined,
};
const refusal = 'Error response from daemon: Get "https://registry.example/v2/": no such host';

let present: string[];
let pullable: boolean;

beforeEach(() => {
  jest.clearAllMocks();
  present = [];
  pullable = true;
  jest.mocked(hasApt).mockReturnValue(true);
  jest.mocked(isRoot).mockReturnValue(true);
  jest.mocked(imageExists).mockImplementation(async (reference) => present.includes(reference));
  jest.mocked(run).mockImplementation(async (command, args) => {
    if (!pullable) {
      throw new CommandError([command, ...args].join(" "), "failed with exit code 1", [refusal]);
    }
    return "";
  });
});

function pulled(): string[] {
  return jest.mocked(run).mock.calls.map(([command, args]) => [command, ...args].join(" "));
}

describe("an image that the engine has is taken without the network", () => {
  test.each<[string, Partial<BaseImageRequest>, string[], string]>([
    ["the pinned one", {}, [pinned, own], pinned],
    ["one that another checkout built", {}, [own], own],
    ["the recorded one before the pinned one", { recorded: own }, [pinned, own], own],
    ["the person's own choice", { configured: "mine:1" }, [pinned, "mine:1"], "mine:1"],
  ])("%s", async (_, request, images, expected) => {
    present = images;
    expect(await ensureBaseImage({ ...nothingKnown, ...request }, silent)).toBe(expected);
    expect(run).not.toHaveBeenCalled();
    expect(buildBaseImage).not.toHaveBeenCalled();
  });
});

test("a missing image is pulled, the person's own choice instead of the pinned one", async () => {
  expect(await ensureBaseImage(nothingKnown, silent)).toBe(pinned);
  present = [pinned, own];
  expect(await ensureBaseImage({ ...nothingKnown, configured: "mine:1" }, silent)).toBe("mine:1");
  expect(pulled()).toEqual([`docker pull ${pinned}`, "docker pull mine:1"]);
  expect(buildBaseImage).not.toHaveBeenCalled();
});

describe("where no registry answers", () => {
  beforeEach(() => {
    pullable = false;
  });

  test("one is built, with the machine's certificate authorities, and the reason is reported", async () => {
    const messages: string[] = [];
    const progress = { ...silent, message: (line: string) => messages.push(line) };
    expect(await ensureBaseImage(nothingKnown, progress)).toBe(own);
    expect(buildBaseImage).toHaveBeenCalledWith(
      { suite: "bookworm", reference: own, engineHost: undefined, caBundle: "/ca.pem" },
      progress,
    );
    expect(messages).toEqual([`${pinned} cannot be pulled (${refusal}).`]);
  });

  test("one of another version is built of the Debian that has it", async () => {
    const reference = "archon-base:trixie-python3.13";
    expect(await ensureBaseImage({ ...nothingKnown, python: "3.13" }, silent)).toBe(reference);
    expect(pulled()).toEqual([`docker pull ${DEBIANS["3.13"].image}`]);
    expect(buildBaseImage).toHaveBeenCalledWith(expect.objectContaining({ suite: "trixie", reference }), silent);
  });

  test("nothing is built in place of the person's own choice", async () => {
    await expect(ensureBaseImage({ ...nothingKnown, configured: "mine:1" }, silent)).rejects.toThrow(
      `The base image mine:1 (archon:baseImage) is not in the Docker engine and cannot be pulled:\n  ${refusal}\n` +
        "Load it with `docker load`, or choose another with `./archon pulumi config set archon:baseImage NAME`.",
    );
    expect(buildBaseImage).not.toHaveBeenCalled();
  });

  test.each([
    ["another system", true, false, "needs root on Debian or Ubuntu; this is Fedora Linux 43.\n"],
    ["another user", false, true, "needs root on Debian or Ubuntu; this is Fedora Linux 43, and not root.\n"],
  ])("%s gets a message that says what to do", async (_, root, apt, words) => {
    jest.mocked(isRoot).mockReturnValue(root);
    jest.mocked(hasApt).mockReturnValue(apt);
    await expect(ensureBaseImage(nothingKnown, silent)).rejects.toThrow(words);
    expect(buildBaseImage).not.toHaveBeenCalled();
  });
});
