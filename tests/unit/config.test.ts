import * as pulumi from "@pulumi/pulumi";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse } from "yaml";
import { applicationOf } from "../../applications/configured";
import { referenceServer } from "../../applications/reference/application";
import { serverRequirements } from "../../applications/archon/checkout";
import { splitRequirements } from "../../applications/python/requirements";
import { extraIndexes } from "../../config/accelerator";
import { loadSettings, type Settings } from "../../config/load";
import { movedStoreNotices } from "../../config/notices";
import { runError } from "../../config/run-error";
import { archonCheckout } from "../support/archon";

/**
 * Proves the loader on values as Pulumi hands them over. What the CLI itself checks (types of declared keys) is not
 * proven here.
 */
const root = path.join(__dirname, "../..");
const declared = (
  parse(fs.readFileSync(path.join(root, "Pulumi.yaml"), "utf8")) as {
    config: Record<string, { default: unknown; description: string; type: string }>;
  }
).config;

let project: string;
beforeEach(() => {
  project = fs.mkdtempSync(path.join(os.tmpdir(), "archon-config-"));
  fs.writeFileSync(path.join(project, "lock.txt"), "six==1.17.0 --hash=sha256:00\n");
  fs.mkdirSync(path.join(project, "model"));
  fs.writeFileSync(path.join(project, "model/config.json"), "{}");
});
afterEach(() => {
  fs.rmSync(project, { recursive: true });
});

function load(overrides: Record<string, unknown> = {}): Settings {
  const values = {
    ...Object.fromEntries(Object.entries(declared).map(([key, { default: value }]) => [key, value])),
    requirements: "lock.txt",
    ...overrides,
  };
  const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
  pulumi.runtime.setAllConfig(
    Object.fromEntries(Object.entries(values).map(([key, value]) => [`project:${key}`, text(value)])),
  );
  const resolve: Parameters<typeof loadSettings>[0] = (config, roles, problems) =>
    applicationOf(config, { project, stack: "stack", roles }, problems);
  return loadSettings(resolve, project).settings;
}

function refusal(overrides: Record<string, unknown>): string {
  try {
    load(overrides);
  } catch (error) {
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    return (error as Error).message;
  }
  throw new Error("The configuration was accepted.");
}

test("Pulumi prints a refusal as it is, without formatting a stack", () => {
  const { defaultErrorMessage } = jest.requireActual<{ defaultErrorMessage: (error: Error) => string }>(
    "@pulumi/pulumi/cmd/run/error",
  );
  const error = runError("no");
  expect(pulumi.RunError.isInstance(error)).toBe(true);
  expect(defaultErrorMessage(error)).toBe("no");
});

test("every declared key has a type, a default and a description", () => {
  for (const key of Object.values(declared)) {
    expect(key.type).toBeDefined();
    expect(key.default).toBeDefined();
    expect(key.description).toMatch(/\.$/);
  }
});

test("the default environment is the one that the application asks for", () => {
  const { environment, imports } = referenceServer.requirements;
  fs.mkdirSync(path.join(project, path.dirname(environment)), { recursive: true });
  fs.writeFileSync(path.join(project, `${environment}.txt`), "six==1.17.0 --hash=sha256:00\n");
  expect(load({ requirements: "" }).requirements).toBe(`${environment}.txt`);
  // Pulumi.yaml must hold them too: Pulumi reads the defaults from there.
  expect(declared.imports?.default).toEqual(imports);
});

test("the defaults alone are a valid stack: loopback, no models", () => {
  const settings = load();
  expect(settings.services).toEqual([
    {
      name: "server",
      role: "server",
      port: 8181,
      bind: "127.0.0.1",
      memoryMiB: 4096,
      replicas: 1,
      gpu: "none",
      variables: {},
    },
  ]);
  expect(settings.activeModel).toBeUndefined();
  expect(settings.caBundle).toBeUndefined();
  expect(settings.baseImage).toMatch(/^python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}$/);
});

describe("the role of a service", () => {
  const server = { name: "server", port: 8181 };

  test("is server by default, and the first service must have it", () => {
    expect(load({ services: [server] }).services[0]?.role).toBe("server");
    expect(refusal({ services: [{ ...server, role: "mcp" }] })).toContain(
      'project:services[0].role: must be server: a service of another role needs a server before it in the list (received "mcp")',
    );
  });

  test("is one that the application has", () => {
    expect(refusal({ services: [server, { name: "tools", port: 8051, role: "mcp" }] })).toContain(
      'project:services[1].role: is no role of the application reference, which has server; remove this service (received "mcp")',
    );
    expect(refusal({ services: [{ ...server, role: "database" }] })).toContain(
      'project:services[0].role: Invalid option: expected one of "server"|"mcp"|"agents"|"ui" (received "database")',
    );
  });

  describe("in a checkout of Archon", () => {
    let source: string;
    beforeEach(() => {
      source = path.join(project, "archon");
      archonCheckout("uv", source);
    });
    const services = [
      server,
      { name: "mcp", role: "mcp", port: 8051 },
      { name: "agents", role: "agents", port: 8052 },
      { name: "ui", role: "ui", port: 3737 },
    ];
    const application = (more: object = {}): object => ({
      kind: "archon",
      source,
      supabase: {
        url: "https://x.supabase.co",
        serviceKey: `e30.${Buffer.from('{"role":"service_role"}').toString("base64url")}.x`,
      },
      ...more,
    });

    test("needs its packages locked, each role by itself", () => {
      const message = refusal({ application: application(), services });
      for (const directory of ["stack", "stack/mcp", "stack/agents"]) {
        expect(message).toContain(
          `project:application.source: its packages are not locked yet; \`./archon lock --stack stack\` writes requirements/${directory}\n`,
        );
      }
      expect(message).not.toContain("requirements/stack/ui");
    });

    test.each([
      [
        "python/src/mcp_server/mcp_server.py",
        "has no python/src/mcp_server/mcp_server.py or python/src/mcp/mcp_server.py",
      ],
      [
        "python/src/agents/server.py",
        "has no python/src/agents/server.py, which the role agents of archon:services runs",
      ],
      ["python/Dockerfile.mcp", "has no python/Dockerfile.mcp; the image of the role mcp"],
      ["python/src/server/discovery.py", "has no python/src/server/discovery.py, which python/Dockerfile.mcp copies"],
      ["archon-ui-main/package-lock.json", "has no archon-ui-main/package-lock.json"],
    ])("needs %s", (file, reason) => {
      fs.rmSync(path.join(source, file));
      expect(refusal({ application: application(), services })).toContain(`project:application.source: ${reason}`);
      // A stack that does not deploy it does not need it.
      expect(refusal({ application: application(), services: [server] })).not.toContain(reason);
    });

    test("needs an image where the server has one, and none where it is built", () => {
      const image = `registry.example/archon@sha256:${"a".repeat(64)}`;
      const pulled = (roleImages: object): ReturnType<typeof application> =>
        application({ source: undefined, image, roleImages });
      const few = services.slice(0, 3);
      const missing = refusal({ application: pulled({ mcp: image }), services: few });
      expect(missing).toContain("project:application.roleImages.agents: must name an image, because a service has");
      expect(missing).not.toContain("roleImages.mcp");
      const tagged = refusal({ application: pulled({ mcp: "archon-mcp:latest", agents: image }), services: few });
      expect(tagged).toContain("project:application.roleImages.mcp: must be <repository>@sha256");
      const both = refusal({ application: application({ roleImages: { mcp: image } }), services: few });
      expect(both).toContain("project:application.roleImages: belongs to an application with an `image`");
    });

    test("has one replica where a session lives in one process, and reserved variables of its own", () => {
      const [first, mcp, agents] = services;
      const message = refusal({
        application: application(),
        services: [
          { ...first, variables: { API_SERVICE_URL: "http://elsewhere" } },
          { ...mcp, replicas: 2, variables: { API_SERVICE_URL: "http://elsewhere" } },
          { ...agents, replicas: 2, gpu: "nvidia" },
        ],
      });
      expect(message).toContain(
        "project:services[1].replicas: must be 1: a session of the MCP server lives in one process",
      );
      expect(message).toContain("project:services[1].variables.API_SERVICE_URL: is set by the program; remove it");
      expect(message).not.toContain("services[0].variables");
      expect(message).toContain("project:services[2].gpu: no model runs in a service of this role; remove gpu");
      expect(message).not.toContain("services[2].replicas");
    });

    test("stays on loopback, since Archon checks no token", () => {
      const message = refusal({
        application: application(),
        services: [server, { name: "ui", role: "ui", port: 3737, bind: "0.0.0.0" }],
      });
      expect(message).toContain(
        "project:services[1].bind: is reachable from other machines, and the application asks for no",
      );
    });

    test("must be locked again when the role requires something else", () => {
      const lists = (directory: string, text: string, name: string): void => {
        fs.mkdirSync(path.join(project, directory), { recursive: true });
        fs.writeFileSync(path.join(project, directory, `${name}.in`), text);
        fs.writeFileSync(path.join(project, directory, `${name}.txt`), "");
      };
      lists("requirements/stack/mcp", "httpx>=0.24.0\n", "requirements");
      const mcp = services.slice(0, 2);
      expect(refusal({ application: application(), services: mcp })).not.toContain("requirements/stack/mcp");
      lists("requirements/stack/mcp", "other\n", "requirements");
      expect(refusal({ application: application(), services: mcp })).toContain(
        "has changed since it was locked (new: httpx>=0.24.0, gone: other)",
      );
    });
  });
});

test("a lock file for another interpreter than the server's is refused", () => {
  fs.writeFileSync(path.join(project, "lock.txt"), "# python: cp313\nsix==1.17.0 --hash=sha256:00\n");
  expect(refusal({})).toContain("is locked for cp313, the server runs cp311");
  fs.writeFileSync(path.join(project, "lock.txt"), "# python: cp311\nsix==1.17.0 --hash=sha256:00\n");
  expect(load().lock).toContain("# python: cp311");
});

test("the server image has no browser unless it is asked for", () => {
  expect(load().browser).toBe(false);
  expect(load({ browser: true }).browser).toBe(true);
});

test("facts of the machine fill what is left to auto, and nothing else", () => {
  fs.mkdirSync(path.join(project, ".archon"));
  fs.writeFileSync(
    path.join(project, ".archon/machine.json"),
    JSON.stringify({ baseImage: "local:1", caBundle: "/etc/ca.pem" }),
  );
  expect(load()).toMatchObject({ baseImage: "local:1", caBundle: "/etc/ca.pem" });
  expect(load({ baseImage: "mine:2", caBundle: "none" })).toMatchObject({ baseImage: "mine:2", caBundle: undefined });
});

test("a directory model gets its commit from its files, and the first model is the active one", () => {
  const settings = load({
    models: [
      { name: "demo", directory: "model" },
      { name: "hub", repo: "Org/Name", revision: "a".repeat(40) },
    ],
  });
  expect(settings.activeModel?.name).toBe("demo");
  expect(settings.models[0]?.revision).toMatch(/^[0-9a-f]{40}$/);
  fs.writeFileSync(path.join(project, "model/config.json"), "{ }");
  expect(load({ models: [{ name: "demo", directory: "model" }] }).models[0]?.revision).not.toBe(
    settings.models[0]?.revision,
  );
});

test("a model directory with links that lead elsewhere is refused, and the links are named", () => {
  fs.symlinkSync("/etc/hostname", path.join(project, "model/vocab.txt"));
  fs.symlinkSync("nowhere", path.join(project, "model/merges.txt"));
  expect(() => load({ models: [{ name: "demo", directory: "model" }] })).toThrow(
    /models\[0\]\.directory[^]*holds symbolic links that lead out of the model's folder, to a directory or to nothing: merges\.txt, vocab\.txt; copy the files/,
  );
});

test("a model directory that git cloned without LFS is refused with its other problems, and the files are named", () => {
  fs.writeFileSync(
    path.join(project, "model/model.safetensors"),
    `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 9\n`,
  );
  fs.symlinkSync("nowhere", path.join(project, "model/merges.txt"));
  expect(() => load({ models: [{ name: "demo", directory: "model" }] })).toThrow(
    /to nothing: merges\.txt;[^]*holds pointers of Git LFS instead of the files: model\.safetensors; fetch them \(git lfs pull\)/,
  );
});

test("the accelerator decides which lock file is used, and where torch comes from", () => {
  fs.writeFileSync(path.join(project, "lock.cpu.txt"), "torch==1.0+cpu\n");
  const cpu = load({ accelerator: "cpu" });
  expect([cpu.requirements, cpu.lock]).toEqual(["lock.cpu.txt", "torch==1.0+cpu\n"]);
  expect(extraIndexes(cpu)).toEqual(["https://download.pytorch.org/whl/cpu"]);
  const own = load({ accelerator: "cpu", torchIndex: "https://t.example", pythonExtraIndexes: ["https://e.example"] });
  expect(extraIndexes(own)).toEqual(["https://e.example", "https://t.example"]);
  expect([load().requirements, extraIndexes(load())]).toEqual(["lock.txt", []]);
});

test("a service with a GPU needs an environment with CUDA, and a model that a GPU computes with", () => {
  const services = [{ name: "s", port: 1, gpu: "nvidia" }];
  expect(load({ services }).services[0]?.gpu).toBe("nvidia");
  fs.writeFileSync(path.join(project, "lock.cpu.txt"), "six==1.17.0 --hash=sha256:00\n");
  expect(refusal({ services, accelerator: "cpu" })).toContain(
    "project:services[0].gpu: needs torch with CUDA, and archon:accelerator is cpu",
  );
  const models = [
    { name: "m", directory: "model" },
    { name: "m8", from: "m", variant: "int8", revision: "e".repeat(40) },
  ];
  expect(load({ services, models }).activeModel?.name).toBe("m");
  expect(refusal({ services, models, activeModel: "m8" })).toContain("the active model m8 has weights of 8 bits");
});

test("a stack without a GPU needs a lock file of its own, without packages of CUDA", () => {
  expect(refusal({ accelerator: "cpu" })).toMatch(
    /requirements: must be a readable lock file[^]*\.\/archon lock --stack stack[^]*"lock\.cpu\.txt"/,
  );
  fs.writeFileSync(path.join(project, "lock.cpu.txt"), "nvidia-cublas==13.0\ntorch==1.0\ntriton==3.0\n");
  expect(refusal({ accelerator: "cpu" })).toMatch(
    /pins packages of CUDA \(nvidia-cublas, triton\), but the accelerator is cpu/,
  );
});

test.each([
  ["root", "relative", "archon-root"],
  ["root", "..", "/srv/../etc"],
  ["dockerHost", "no address", "server"],
  ["dockerHost", "an address without a port", "tcp://server"],
  ["dockerHost", "a password", "ssh://me:secret@server"],
  ["baseImage", "empty", ""],
  ["caBundle", "relative", "ca.pem"],
  ["pythonIndex", "no URL", "pypi"],
  ["pythonExtraIndexes", "no URL", ["pypi"]],
  ["accelerator", "unknown", "rocm"],
  ["torchIndex", "no URL", "pytorch"],
  ["npmRegistry", "no URL", "npm"],
  ["wheelhouse", "relative", "wheels"],
  ["browser", "text", "chromium"],
  ["requirements", "missing file", "none.txt"],
  ["imports", "no module name", ["import os; os"]],
  ["hubEndpoint", "no URL", "hub"],
  ["hubMirrors", "no URL", ["hub"]],
  ["models", "a branch for a commit", [{ name: "m", repo: "Org/Name", revision: "main" }]],
  ["models", "an unknown variant", [{ name: "m", directory: "model", variant: "int4" }]],
  ["models", "derived from nothing", [{ name: "m", from: "other", variant: "int8", revision: "e".repeat(40) }]],
  ["models", "a directory without a model", [{ name: "m", directory: "nowhere" }]],
  [
    "models",
    "the same name twice",
    [
      { name: "m", directory: "model" },
      { name: "m", directory: "model" },
    ],
  ],
  ["activeModel", "an unknown model", "other"],
  ["services", "none", []],
  ["services", "a port out of range", [{ name: "s", port: 70000 }]],
  ["services", "an unknown field", [{ name: "s", port: 1, replica: 2 }]],
  [
    "services",
    "the same port twice",
    [
      { name: "a", port: 1 },
      { name: "b", port: 1 },
    ],
  ],
  ["services", "open to the network without a token", [{ name: "s", port: 1, bind: "0.0.0.0" }]],
  ["services", "a variable that the program sets", [{ name: "s", port: 1, variables: { PORT: 80 } }]],
  ["services", "a variable whose name is none", [{ name: "s", port: 1, variables: { "A-B": "" } }]],
  ["services", "a variable that is no text", [{ name: "s", port: 1, variables: { A: ["b"] } }]],
  ["services", "a certificate without a key", [{ name: "s", port: 1, tls: { certificate: "/tls/c.pem" } }]],
  ["services", "a relative key", [{ name: "s", port: 1, tls: { certificate: "/tls/c.pem", key: "k.pem" } }]],
  [
    "services",
    "a key in the root directory",
    [{ name: "s", port: 1, tls: { certificate: "/tls/c.pem", key: "/k.pem" } }],
  ],
  ["services", "one file for both", [{ name: "s", port: 1, tls: { certificate: "/tls/c.pem", key: "/tls/c.pem" } }]],
  ["services", "an unknown GPU", [{ name: "s", port: 1, gpu: "amd" }]],
  ["requireToken", "text", "perhaps"],
  ["retain", "nothing to go back to", 1],
  ["release", "not an id", "previous"],
  ["rollout", "an unknown way", "rolling"],
  ["autoRollback", "text", "perhaps"],
  ["readyTimeout", "too short", 1],
])("%s: %s is refused by name", (key, _why, value) => {
  expect(refusal({ [key]: value })).toMatch(new RegExp(`^  - project:${key}\\b.*: `, "m"));
});

test("the variables of a service are text, and no message shows their values", () => {
  const services = [{ name: "s", port: 1, variables: { ARCHON_CRAWL_MAX_PAGES: 7, LLM_BASE_URL: "http://models" } }];
  expect(load({ services }).services[0]?.variables).toEqual({
    ARCHON_CRAWL_MAX_PAGES: "7",
    LLM_BASE_URL: "http://models",
  });
  for (const wrong of [
    [{ name: "s", port: 1, variables: { PORT: "canary", "A-B": "canary", C: ["canary"] } }],
    { name: "s", variables: { A: "canary" } },
  ]) {
    expect(refusal({ services: wrong })).not.toContain("canary");
  }
  expect(refusal({ services: [{ name: "s", port: 1, variables: { PORT: "80" } }] })).toContain(
    "project:services[0].variables.PORT: is set by the program; remove it",
  );
});

describe("a stack of a checkout of Archon", () => {
  const serviceKey = `e30.${Buffer.from('{"role":"service_role"}').toString("base64url")}.canary`;
  const pulled = `registry.example:5000/team/server@sha256:${"a".repeat(64)}`;
  const archon = { kind: "archon", source: "archon", supabase: { url: "https://x.supabase.co", serviceKey } };

  /** The lists of the stand-in, as `./archon lock` derives them, and a lock file of each. */
  beforeEach(() => {
    archonCheckout("uv", path.join(project, "archon"));
    const directory = path.join(project, "requirements", "stack");
    fs.mkdirSync(directory, { recursive: true });
    const { image, environment } = splitRequirements(
      serverRequirements(path.join(project, "archon", "python", "pyproject.toml")),
    );
    for (const [name, list] of [
      ["requirements.server.minimal", image],
      ["requirements.server.ml", environment],
    ] as const) {
      fs.writeFileSync(path.join(directory, `${name}.in`), list.map((each) => `${each}\n`).join(""));
      fs.writeFileSync(path.join(directory, `${name}.txt`), "six==1.17.0 --hash=sha256:00\n");
    }
  });

  test("may have an image in place of a checkout, and then needs only a lock file of the environment", () => {
    const application = { ...archon, source: undefined, image: pulled };
    expect(load({ application }).requirements).toBe("lock.txt");
    expect(refusal({ application, requirements: "none.txt" })).toContain("must be a readable lock file");
  });

  test("is valid, and takes the lock file of the checkout", () => {
    expect(load({ application: archon, requirements: "" }).requirements).toBe(
      "requirements/stack/requirements.server.ml.txt",
    );
  });

  test.each([
    ["requireToken", true, "checks no token"],
    ["browser", true, "not built here with a browser"],
    ["subnet", "192.168.30.0/24", "must be within 172.16.0.0/12"],
    ["models", [{ name: "m", directory: "model", variant: "float32" }], "chooses the precision itself"],
    [
      "models",
      [
        { name: "m", directory: "model" },
        { name: "n", from: "m", variant: "int8", revision: "a".repeat(40) },
      ],
      "derives no models",
    ],
    ["services", [{ name: "s", port: 1, variables: { SUPABASE_URL: "x" } }], "is set by the program"],
    ["application", { ...archon, source: "elsewhere" }, "must be a checkout of Archon"],
    ["application", { ...archon, model: "x" }, "unknown key"],
    ["application", { kind: "archon" }, "application.supabase"],
    ["application", { ...archon, source: undefined }, "application.source: must be given, unless"],
    ["application", { ...archon, image: pulled }, "application.source: is part of the image"],
    ["application", { kind: "python", image: pulled, port: 1, files: "." }, "application.files: is part of the image"],
    ["application", { kind: "python", port: 8443, source: "x" }, "application.port: must be another port than 8443"],
    ["application", { kind: "python", port: 1, source: "x" }, "application.command: must be given, unless"],
    ["application", { ...archon, packages: ["-r x"] }, "must be a requirement such as psutil"],
    ["application", { kind: "reference", image: "server:latest" }, "a tag may be another image tomorrow"],
    [
      "application",
      { kind: "reference", image: pulled.replace("@", ":1@") },
      "application.image: must be <repository>@",
    ],
    ["application", { kind: "other" }, "must be { kind"],
    ["application", { ...archon, supabase: "canary" }, "application.supabase"],
    ["application", '{"supabase": "canary', "application"],
    ["application", { ...archon, openaiBaseUrl: "http://localhost:11434/v1" }, "is the container itself"],
    ["services", [{ name: "s", port: 1, bind: "0.0.0.0" }], "asks for no token"],
  ])("%s: %j is refused", (key, value, reason) => {
    const message = refusal({ application: archon, requirements: "", [key]: value });
    expect(message).toContain(reason);
    expect(message).not.toContain("canary");
  });
});

test.each(["10.0.0.0/8", "172.30.0.0/24", "192.168.1.16/28"])("the subnet %s is allowed", (subnet) => {
  expect(load({ subnet }).subnet).toBe(subnet);
});

test.each(["172.30.0.1/24", "172.30.0.0/29", "172.30.0.0", "8.8.8.0/24", "172.0.0.0/8", "300.1.1.0/24", "fd00::/64"])(
  "the subnet %s is refused",
  (subnet) => {
    expect(refusal({ subnet })).toContain(`project:subnet: must be empty or a network of private IPv4 addresses`);
  },
);

test("all problems come in one message, with the value received and what to do", () => {
  const message = refusal({ root: "here", retain: 0, colour: "red" });
  expect(message).toContain('project:root: must be an absolute path without . or .. parts (received "here")');
  expect(message).toContain("project:retain:");
  expect(message).toContain("project:colour: unknown key; the keys are application, root,");
  expect(message).toContain('Invalid configuration for stack "stack"');
});

test("another store than at the last update is warned of: the documents stay in the old one", () => {
  expect(movedStoreNotices("prod", "/new", "/old")).toEqual([
    expect.stringMatching(/was \/old and is \/new now\. .* is in \/old\/data\/prod/),
  ]);
  expect(movedStoreNotices("prod", "/old", "/old")).toEqual([]);
  expect(movedStoreNotices("prod", "/old", undefined)).toEqual([]);
});
