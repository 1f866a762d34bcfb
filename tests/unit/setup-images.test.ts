import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

jest.mock("../../lib/paths", () => {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "images-")));
  return {
    ...jest.requireActual<object>("../../lib/paths"),
    projectRoot: root,
    machineFile: path.join(root, ".archon", "machine.json"),
  };
});

import { machineFile as machine, projectRoot as project } from "../../lib/paths";
import { writeMachine } from "../../config/machine";
import { DEBIANS } from "../../config/python";
import { configuredBaseImage, namedEngine, packageIndexes, stackHost } from "../../config/stack";
import { buildCommand } from "../../commands/lib/images";

const stackFile = path.join(project, "Pulumi.dev.yaml");
const prodFile = path.join(project, "Pulumi.prod.yaml");
fs.copyFileSync(path.join(__dirname, "../../Pulumi.yaml"), path.join(project, "Pulumi.yaml"));
delete process.env.DOCKER_HOST;

afterEach(() => {
  fs.rmSync(stackFile, { force: true });
  fs.rmSync(prodFile, { force: true });
  fs.rmSync(machine, { force: true });
});

afterAll(() => fs.rmSync(project, { recursive: true }));

describe("decisions that count before Pulumi runs", () => {
  test("are none without a stack file, in an empty one, and where they say auto", () => {
    expect(configuredBaseImage("dev")).toBeUndefined();
    fs.writeFileSync(stackFile, "# nothing yet\n");
    expect(configuredBaseImage("dev")).toBeUndefined();
    fs.writeFileSync(stackFile, "config:\n  archon:baseImage: auto\n");
    expect(configuredBaseImage("dev")).toBeUndefined();
    expect(packageIndexes("dev")).toEqual({
      accelerator: "cuda",
      torchIndex: "",
      pythonIndex: "",
      pythonExtraIndexes: [],
    });
  });

  test("are read with and without the project's prefix", () => {
    fs.writeFileSync(
      stackFile,
      "config:\n  archon:baseImage: mine:1 # ours\n  pythonIndex: https://index.example/simple\n  archon:pythonExtraIndexes: [https://a.example, 7]\n",
    );
    expect(configuredBaseImage("dev")).toBe("mine:1");
    expect(packageIndexes("dev")).toEqual({
      accelerator: "cuda",
      torchIndex: "",
      pythonIndex: "https://index.example/simple",
      pythonExtraIndexes: ["https://a.example"],
    });
  });

  test("go before facts, and facts before the default", () => {
    expect(stackHost("dev").baseImage).toBe(DEBIANS["3.11"].image);
    writeMachine({ baseImage: "archon-base:1" }, machine);
    expect(stackHost("dev").baseImage).toBe("archon-base:1");
    fs.writeFileSync(
      stackFile,
      "config:\n  archon:application: { kind: python, source: ., command: [x], port: 80, python: 3.13 }\n",
    );
    expect(stackHost("dev").baseImage).toBe(DEBIANS["3.13"].image);
    fs.writeFileSync(stackFile, "config:\n  archon:baseImage: mine:1\n");
    expect(stackHost("dev").baseImage).toBe("mine:1");
  });

  test("name an engine for one stack of the checkout, and leave the others on the machine's", () => {
    writeMachine({ dockerHost: "unix:///run/user/1/docker.sock" }, machine);
    fs.writeFileSync(prodFile, "config:\n  archon:dockerHost: ssh://me@prod\n");
    expect([namedEngine("prod"), namedEngine("dev")]).toEqual(["ssh://me@prod", undefined]);
    expect([stackHost("prod").dockerHost, stackHost("dev").dockerHost]).toEqual([
      "ssh://me@prod",
      "unix:///run/user/1/docker.sock",
    ]);
  });
});

describe("the client that builds", () => {
  /** A directory of PATH with a client of this release, with or without buildx. */
  function client(version: string, buildx: boolean): string {
    const directory = fs.mkdtempSync(path.join(project, "bin-"));
    const script = `#!/bin/sh\ncase "$1" in --version) echo "Docker version ${version}, build 0" ;; buildx) exit ${buildx ? 0 : 1} ;; esac\n`;
    fs.writeFileSync(path.join(directory, "docker"), script, { mode: 0o755 });
    return directory;
  }

  test("uses buildx where it has it", async () => {
    const directory = client("28.2.2", true);
    expect(await buildCommand(["/nowhere", directory])).toEqual([
      path.join(directory, "docker"),
      "buildx",
      "build",
      "--load",
    ]);
  });

  test("before release 23 needs no buildx", async () => {
    const directory = client("20.10.24+dfsg1", false);
    expect(await buildCommand([directory])).toEqual([path.join(directory, "docker"), "build"]);
  });

  test("is looked for beyond one that cannot", async () => {
    const [newer, older] = [client("28.2.2", false), client("20.10.24+dfsg1", false)];
    expect((await buildCommand([newer, older]))[0]).toBe(path.join(older, "docker"));
  });

  test("that is missing is reported with the remedy", async () => {
    const directory = client("28.2.2", false);
    await expect(buildCommand([directory])).rejects.toThrow(
      `Building an image needs a docker client with BuildKit, but ${path.join(directory, "docker")} has none.\nInstall its plugin buildx`,
    );
    await expect(buildCommand([])).rejects.toThrow(", but there is no docker on PATH.");
  });
});
