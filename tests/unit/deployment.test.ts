import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { Deployment } from "../../components/deployment";
import { gatewayUrl } from "../../components/service/gateway";
import { containerArgs } from "../../components/service/server";
import { planDeployment } from "../../components/deployment-plan";
import { pulledImage, type Application, type ApplicationRole } from "../../applications/application";
import { referenceServer } from "../../applications/reference/application";
import type { Settings } from "../../config/load";
import type { Model } from "../../config/models";
import { parseLedger } from "../../release/ledger";
import { environmentKey, type Release } from "../../release/release";
import { deploy, isSecret } from "../support/mocks";

/**
 * Proves inputs, names, parents and options. That a changed mount really replaces a container, or that a server gets
 * ready, only the engine proves.
 */
const CONTAINER = "docker:index/container:Container";
const IMAGE = "docker:index/remoteImage:RemoteImage";
const COMMAND = "command:local:Command";

let project: string;
beforeAll(() => {
  // Nothing of this machine's engine and disk counts.
  process.env["ARCHON_ENGINE_ELSEWHERE"] = "1";
  project = fs.mkdtempSync(path.join(os.tmpdir(), "archon-deployment-"));
  for (const context of ["store", path.join("applications", "reference"), "gateway"]) {
    fs.mkdirSync(path.join(project, context), { recursive: true });
    fs.writeFileSync(path.join(project, context, "Dockerfile"), `FROM base\n# ${context}\n`);
  }
});
afterAll(() => {
  delete process.env["ARCHON_ENGINE_ELSEWHERE"];
  fs.rmSync(project, { recursive: true });
});

const demo: Model = {
  name: "demo",
  repo: "local/demo",
  revision: "d".repeat(40),
  variant: "auto",
  directory: "/checkout/models/demo",
};
function settings(changes: Partial<Settings> = {}): Settings {
  return {
    project,
    root: "/srv/archon",
    baseImage: "base:1",
    caBundle: undefined,
    pythonIndex: "",
    pythonExtraIndexes: [],
    accelerator: "cuda",
    torchIndex: "",
    npmRegistry: "",
    wheelhouse: "",
    browser: false,
    requirements: "lock.txt",
    lock: "six==1\n",
    imports: ["six"],
    hubEndpoint: "https://hub.example",
    hubMirrors: ["https://mirror.example"],
    hubToken: undefined,
    models: [demo],
    activeModel: demo,
    services: [
      {
        name: "server",
        port: 8181,
        bind: "127.0.0.1",
        memoryMiB: 1024,
        replicas: 1,
        gpu: "none" as const,
        variables: {},
        role: "server" as const,
      },
    ],
    subnet: "",
    requireToken: false,
    retain: 3,
    release: "",
    rollout: "overlap",
    autoRollback: false,
    readyTimeout: 180,
    dockerHost: "unix:///var/run/docker.sock",
    ...changes,
  };
}
const identity = {
  project: "archon",
  stack: "test",
  id: "0f9c1a2b-3c4d",
  owner: "ada@gpu1, checkout /home/ada/archon",
};
const run = (
  changes?: Partial<Settings>,
  ledger: Release[] = [],
  root?: string,
): ReturnType<typeof deploy<Deployment>> =>
  deploy(() => {
    const previous = {
      ...parseLedger({}),
      running: ledger[0]?.id,
      releases: ledger,
      sharedImages: ledger[0]?.images,
      root,
    };
    return new Deployment("archon", planDeployment(referenceServer, settings(changes), previous), identity);
  });

const environmentOfLock = environmentKey({ lock: "six==1\n", baseImage: "base:1", python: referenceServer.python });

test("a stack is exactly its images, jobs, network, server, gate and gateway", async () => {
  const { resources } = await run();
  const count = (type: string): number => resources.filter((each) => each.type === type).length;
  expect([
    count(IMAGE),
    count(COMMAND),
    count(CONTAINER),
    count("docker:index/network:Network"),
    count("random:index/randomPassword:RandomPassword"),
  ]).toEqual([3, 9, 2, 1, 0]);
  expect(resources.every((each) => each.name.startsWith("archon-") || each.name === "archon")).toBe(true);
});

test("an image of a registry is not built, and the provider logs in where the Docker client does", async () => {
  const reference = `registry.example/server@sha256:${"a".repeat(64)}`;
  const login = path.join(project, "config.json");
  const pulled = { ...referenceServer, image: pulledImage(reference) };
  const previous = parseLedger({});
  const { DOCKER_CONFIG: before = "" } = process.env;
  process.env["DOCKER_CONFIG"] = project;
  fs.writeFileSync(login, "{}");
  try {
    const { result, resources } = await deploy(
      () => new Deployment("archon", planDeployment(pulled, settings(), previous), identity),
    );
    const image = resources.find(({ type, name }) => type === IMAGE && name.startsWith("archon-pulled-image-"));
    expect(image?.inputs).toEqual({ name: reference, keepLocally: true });
    const server = resources.find(({ type, name }) => type === CONTAINER && name === "archon-server-0");
    expect(server?.inputs["image"]).toBe(reference);
    const provider = resources.find(({ type }) => type === "pulumi:providers:docker");
    expect(JSON.parse(String(provider?.inputs["registryAuth"]))).toEqual([
      { address: "registry.example", configFile: login },
    ]);
    expect(result.releases[0]?.images.server).toBe(reference);
  } finally {
    fs.rmSync(login);
    process.env["DOCKER_CONFIG"] = before;
  }
});

describe("the check of imports", () => {
  const importCheck = { program: "applications/python/import_check.py", arguments: ["--abi=cp311", "--server=main"] };
  const runChecked = (changes: Partial<Settings> = {}, releases: Release[] = []): ReturnType<typeof deploy> => {
    const application = { ...referenceServer, importCheck };
    const [latest] = releases;
    const previous = {
      running: latest?.id,
      releases,
      sharedImages: latest?.images,
      services: [],
      root: undefined,
    };
    return deploy(() => new Deployment("archon", planDeployment(application, settings(changes), previous), identity));
  };
  const checks = ({ resources }: Awaited<ReturnType<typeof runChecked>>): { name: string; environment: unknown }[] =>
    resources
      .filter(({ type, name }) => type === COMMAND && name.startsWith("archon-imports-"))
      .map(({ name, inputs }) => ({ name, environment: inputs["environment"] }));

  test("runs in the image with the environment, as the server's user and without a network, once for each pair", async () => {
    const first = checks(await runChecked());
    const again = checks(await runChecked());
    const other = checks(await runChecked({ lock: "six==2\n" }));

    expect(first).toHaveLength(1);
    expect(again).toEqual(first);
    expect(other[0]?.name).not.toBe(first[0]?.name);
    const { CHECK_OPTIONS: options, CHECK_ARGUMENTS: args } = first[0]?.environment as Record<string, string>;
    expect(args).toBe("--abi=cp311\n--server=main\n--environment=six");
    expect(options?.split("\n")).toEqual(
      expect.arrayContaining([
        "--network=none",
        "--user=10001:10001",
        "--read-only",
        `--mount=type=bind,source=/srv/archon/envs/${environmentOfLock},target=/root/.local,readonly`,
        "--entrypoint=python3",
      ]),
    );
  });

  test("comes before every server, and is left out of a rollback", async () => {
    const { result, resources } = await runChecked();
    const service = resources.find(({ type }) => type === "archon:index:Service");
    const dependencies = [service?.opts.dependsOn ?? []].flat() as pulumi.Resource[];
    expect(dependencies.map((each) => each.constructor.name)).toContain("ImportCheck");

    const [ran] = (result as Deployment).releases;
    const rollback = await runChecked({ release: ran?.id ?? "", lock: "six==2\n" }, ran === undefined ? [] : [ran]);
    expect(checks(rollback)).toEqual([]);
  });
});

test("containers are safe by default, and no server has a port or a name", async () => {
  const { resources, sole } = await run();
  for (const { inputs } of resources.filter((each) => each.type === CONTAINER)) {
    expect(inputs).toMatchObject({
      readOnly: true,
      user: "10001:10001",
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      restart: "always",
    });
    expect(inputs["memory"]).toBe(inputs["memorySwap"]);
    expect(inputs["privileged"]).toBeUndefined();
  }
  const server = sole(CONTAINER, "archon-server-0");
  expect(server.inputs["ports"]).toBeUndefined();
  expect(server.inputs["name"]).toBeUndefined();
  expect(server.opts.deleteBeforeReplace).toBe(false);
  expect(server.opts.replaceOnChanges).toEqual(
    expect.arrayContaining(["#initerror", "mounts", "healthcheck", "tmpfs"]),
  );
  expect(sole(CONTAINER, "archon-server-gateway").inputs["ports"]).toEqual([
    { internal: 8080, external: 8181, ip: "127.0.0.1" },
  ]);
});

test("everything that it makes on the engine has the deployment's labels, and its jobs have names of their own", async () => {
  const { resources, sole } = await run();
  const expected = { project: "archon", stack: "test", deployment: identity.id, owner: identity.owner };
  const labelled = resources.filter(({ inputs }) => inputs["labels"] !== undefined);
  expect(labelled.map(({ name }) => name).sort()).toEqual([
    "archon-network",
    "archon-server-0",
    "archon-server-gateway",
  ]);
  for (const { inputs } of labelled) {
    const labels = (inputs["labels"] as { label: string; value: string }[]).map(({ label, value }) => [label, value]);
    expect(Object.fromEntries(labels)).toMatchObject(
      Object.fromEntries(Object.entries(expected).map(([name, value]) => [`io.archon.${name}`, value])),
    );
  }
  const jobs = resources.flatMap(({ inputs }) => {
    const { JOB_NAME: name, JOB_OPTIONS: options } = (inputs["environment"] ?? {}) as Record<
      string,
      string | undefined
    >;
    return name === undefined ? [] : [{ name, options }];
  });
  expect(jobs).toHaveLength(7);
  for (const { name, options } of jobs) {
    expect(name).toMatch(/^archon-test-0f9c1a2b-archon-/);
    expect(options).toContain("--label=io.archon.deployment=0f9c1a2b-3c4d\n");
  }
  const { SERVERS_DEPLOYMENT: drained } = sole(COMMAND, "archon-server-drain").inputs["environment"] as Record<
    string,
    string
  >;
  expect(drained).toBe(identity.id);
});

test("labels from before deployments had an id replace neither network nor gateway, except with another store", async () => {
  const network = async (ledger: Release[], root?: string): Promise<unknown> => {
    const { sole } = await run({}, ledger, root);
    return sole("docker:index/network:Network").opts.ignoreChanges;
  };
  expect(await network([])).toContain("labels");
  expect(await network([ran("a")], "/srv/archon")).toContain("labels");
  expect(await network([ran("a")], "/srv/elsewhere")).not.toContain("labels");
  expect((await run()).sole(CONTAINER, "archon-server-gateway").opts.ignoreChanges).toContain("labels");
});

test("what the engine adds to every container and network is no difference, and nothing else is ignored", async () => {
  const { sole } = await run();
  expect(sole("docker:index/network:Network").opts.ignoreChanges).toEqual(["ipv6", "options", "labels"]);
  expect(sole(CONTAINER, "archon-server-0").opts.ignoreChanges).toEqual(["logOpts", "ulimits"]);
  expect(sole(CONTAINER, "archon-server-gateway").opts.ignoreChanges).toEqual(["labels", "logOpts", "ulimits"]);
});

test("the stack's name is claimed on the engine and in the store before anything else, and given up with the stack", async () => {
  const { resources, sole } = await run();
  const [claim] = resources.filter(({ name }) => name.startsWith("archon-store-claim-"));
  expect(claim?.inputs).toMatchObject({
    create: "components/scripts/claim.sh",
    delete: "components/scripts/release.sh",
    environment: {
      JOB_FILE: "components/scripts/claim-store.sh",
      CLAIM_ID: identity.id,
      CLAIM_VOLUME: "archon-test-claim",
      CLAIM_LABELS: expect.stringContaining(`io.archon.deployment=${identity.id}\n`) as string,
    },
  });
  expect(claim?.opts).toMatchObject({ retainOnDelete: false, ignoreChanges: ["triggers"] });
  const [init] = resources.filter(({ name }) => name.startsWith("archon-store-init-"));
  expect(sole(COMMAND, init?.name).opts.dependsOn).toMatchObject([{ __name: claim?.name }]);
});

test("an engine that cannot limit swap is asked for what it reports", async () => {
  const limits = async (limitsSwap: boolean): Promise<unknown[]> => {
    const { resources } = await deploy(() => {
      const plan = planDeployment(referenceServer, settings(), parseLedger({}));
      return new Deployment("archon", { ...plan, facts: { ...plan.facts, limitsSwap } }, identity);
    });
    return resources
      .filter(({ type }) => type === CONTAINER)
      .map(({ inputs }) => [inputs["memory"], inputs["memorySwap"]]);
  };
  expect(await limits(true)).toEqual([
    [128, 128],
    [1024, 1024],
  ]);
  expect(await limits(false)).toEqual([
    [128, -1],
    [1024, -1],
  ]);
});

test("a store that is gone is begun again, and claimed after the lost claim is given up", async () => {
  const jobs = async (hasStore: boolean): Promise<unknown[]> => {
    const { resources } = await deploy(() => {
      const plan = planDeployment(referenceServer, settings(), parseLedger({}));
      return new Deployment("archon", { ...plan, facts: { ...plan.facts, hasStore: () => hasStore } }, identity);
    });
    return resources
      .filter(({ name }) => /^archon-store-(claim|init)-/.test(name))
      .map(({ inputs, opts }) => [inputs["triggers"], "deleteBeforeReplace" in opts]);
  };
  expect(await jobs(true)).toEqual([
    [undefined, true],
    [undefined, false],
  ]);
  expect(await jobs(false)).toEqual([
    [[expect.any(String)], true],
    [[expect.any(String)], false],
  ]);
});

test("a server mounts its own environment and the models read-only, and only its data read-write", async () => {
  const { sole } = await run();
  const key = environmentOfLock;
  expect(sole(CONTAINER, "archon-server-0").inputs["mounts"]).toEqual([
    { type: "bind", source: `/srv/archon/envs/${key}`, target: "/root/.local", readOnly: true },
    { type: "bind", source: "/srv/archon/models/huggingface", target: "/root/.cache/huggingface", readOnly: true },
    { type: "bind", source: "/srv/archon/data/test/server", target: "/data" },
  ]);
});

test("a browser is a build argument of the server image alone, and makes another image and another release", async () => {
  const built = async (
    browser: boolean,
  ): Promise<{ release: string; images: Release["images"]; args: Record<string, unknown> }> => {
    const { result, resources } = await run({ browser });
    const args = resources
      .filter(({ type }) => type === IMAGE)
      .map(({ inputs }): [string, unknown] => [
        String(inputs["name"]),
        (inputs["build"] as { buildArgs: unknown }).buildArgs,
      ]);
    return { release: result.release, images: result.images, args: Object.fromEntries(args) };
  };
  const [without, having] = [await built(false), await built(true)];
  const common = { BASE_IMAGE: "base:1", PYTHON_INDEX: "", PYTHON_EXTRA_INDEX: "", NPM_REGISTRY: "" };
  expect(without.args[without.images.server]).toEqual(common);
  expect(having.args).toEqual({
    [having.images.server]: { ...common, BROWSER: "chromium" },
    [having.images.bootstrap]: common,
    [having.images.gateway]: common,
  });
  expect(having.images).toEqual({
    ...without.images,
    server: expect.not.stringMatching(without.images.server) as string,
  });
  expect(having.release).not.toBe(without.release);
});

test("images and jobs stay when their resources go, and are not made again under the same name", async () => {
  const { resources, sole } = await run();
  for (const image of resources.filter((each) => each.type === IMAGE)) {
    expect(image.opts).toMatchObject({ retainOnDelete: true, ignoreChanges: ["build"] });
  }
  const populate = sole(COMMAND, `archon-environment-${environmentOfLock}-populate`);
  expect(populate.opts).toMatchObject({
    retainOnDelete: true,
    ignoreChanges: ["create", "environment", "interpreter", "triggers"],
  });
  expect(populate.inputs["delete"]).toBeUndefined();
});

test("a baseline that the store does not have is recorded by the next update, and one that it has is left alone", async () => {
  const record = async (hasBaseline: boolean): Promise<pulumi.CustomResourceOptions & { triggers: unknown }> => {
    const { sole } = await deploy(() => {
      const previous = parseLedger({});
      const plan = planDeployment(referenceServer, settings(), previous);
      return new Deployment("archon", { ...plan, facts: { ...plan.facts, hasBaseline: () => hasBaseline } }, identity);
    });
    const { inputs, opts } = sole(COMMAND, `archon-proof-${demo.revision.slice(0, 12)}-record`);
    return { ...opts, triggers: inputs["triggers"] };
  };
  expect(await record(false)).toMatchObject({ triggers: [expect.any(String)], ignoreChanges: [] });
  expect(await record(true)).toMatchObject({
    triggers: undefined,
    ignoreChanges: expect.arrayContaining(["triggers"]) as string[],
  });
});

test("another lock is another environment and another release; another index is neither", async () => {
  const [before, lock, index] = [
    await run(),
    await run({ lock: "six==2\n" }),
    await run({ pythonIndex: "https://index.example/simple" }),
  ];
  expect(lock.result.environment.key).not.toBe(before.result.environment.key);
  expect(lock.result.release).not.toBe(before.result.release);
  expect(index.result.environment.key).toBe(before.result.environment.key);
});

test("a token is made only when required, and stays secret on its way into the server", async () => {
  const { result, sole } = await run({ requireToken: true });
  expect(isSecret(sole(CONTAINER, "archon-server-0").inputs["envs"])).toBe(true);
  expect(result.apiToken).toBeDefined();
  expect((await run()).result.apiToken).toBeUndefined();
});

test("a derived model is made after the one that it is derived from, by the server image, and is another release", async () => {
  const small: Model = { name: "small", repo: "local/small", revision: "e".repeat(40), variant: "int8", from: "demo" };
  const [plain, { result, sole }] = [await run(), await run({ models: [small, demo], activeModel: small })];
  const job = sole(COMMAND, "archon-model-local-small-eeeeeeeeeeee-fetch");
  expect(job.inputs["create"]).toBe("components/scripts/derive.sh");
  expect(job.inputs["environment"]).toMatchObject({
    DERIVE_COMMAND: `python3\n-m\narchon_server.derive\n--repo=local/demo\n--revision=${demo.revision}\n--variant=int8`,
    DERIVE_OPTIONS: expect.stringContaining(
      `--mount=type=bind,source=${result.environment.path},target=/root/.local,readonly`,
    ) as string,
  });
  expect(result.models).toContainEqual({
    name: "small",
    repo: "local/small",
    revision: small.revision,
    variant: "int8",
  });
  expect(result.release).not.toBe(plain.result.release);
});

test("a model of the hub is fetched from the endpoint or a mirror, through the deployer's proxy", async () => {
  const model: Model = { name: "m", repo: "Org/Name", revision: "f".repeat(40), variant: "auto" };
  const environment = (await run({ models: [model], activeModel: model })).sole(
    COMMAND,
    "archon-model-org-name-ffffffffffff-fetch",
  ).inputs["environment"] as Record<string, string>;
  expect(environment["JOB_COMMAND"]).toContain("--endpoint\nhttps://hub.example\n--mirror\nhttps://mirror.example");
  expect(environment["JOB_OPTIONS"]).toContain("--env=HTTPS_PROXY\n");
});

test("only the jobs that download have a network", async () => {
  const model: Model = { name: "m", repo: "Org/Name", revision: "f".repeat(40), variant: "auto" };
  const { resources } = await run({ models: [model], activeModel: model });
  const options = ({ inputs }: (typeof resources)[number]): string | undefined =>
    (inputs["environment"] as Record<string, string> | undefined)?.["JOB_OPTIONS"];
  const jobs = resources.filter((each) => options(each) !== undefined);
  const connected = jobs.filter((each) => !options(each)?.includes("--network=none"));
  expect(jobs.length).toBeGreaterThan(connected.length + 3);
  expect(connected.map(({ name }) => name.replace(/^archon-(model|environment)-.*-/, ""))).toEqual([
    "populate",
    "fetch",
  ]);
});

test("a stack without models has no snapshot and says so to its server", async () => {
  const { resources, sole } = await run({ models: [], activeModel: undefined });
  expect(resources.some((each) => each.name.includes("-model-"))).toBe(false);
  expect(sole(CONTAINER, "archon-server-0").inputs["envs"]).toEqual(
    expect.arrayContaining(["ARCHON_MODELS=[]", "ARCHON_ACTIVE_MODEL="]),
  );
});

test("every service has its own gateway, alias and data, and shares the environment", async () => {
  const services = [
    {
      name: "a",
      port: 1,
      bind: "127.0.0.1",
      memoryMiB: 512,
      replicas: 2,
      gpu: "none" as const,
      variables: {},
      role: "server" as const,
    },
    {
      name: "b",
      port: 2,
      bind: "127.0.0.1",
      memoryMiB: 512,
      replicas: 1,
      gpu: "none" as const,
      variables: {},
      role: "server" as const,
    },
  ];
  const { result, resources, sole } = await run({ services });
  expect(
    resources
      .filter((each) => each.type === CONTAINER)
      .map((each) => each.name)
      .sort(),
  ).toEqual(["archon-a-0", "archon-a-1", "archon-a-gateway", "archon-b-0", "archon-b-gateway"]);
  expect(sole(CONTAINER, "archon-b-0").inputs["networksAdvanced"]).toMatchObject([{ aliases: ["archon-b"] }]);
  expect(result.url).toBe("http://127.0.0.1:1");
});

test("other containers reach the first service by the application's aliases, through its gateway", async () => {
  const application = { ...referenceServer, aliases: ["archon-server"] };
  const previous = parseLedger({});
  const service = {
    bind: "127.0.0.1",
    memoryMiB: 1024,
    replicas: 1,
    gpu: "none" as const,
    variables: {},
    role: "server" as const,
  };
  const services = [
    { ...service, name: "server", port: 1 },
    { ...service, name: "other", port: 2 },
  ];
  const plan = planDeployment(application, settings({ services, subnet: "172.30.0.0/24" }), previous);
  const { resources, sole } = await deploy(() => new Deployment("archon", plan, identity));
  const aliasesOf = (name: string): unknown =>
    (sole(CONTAINER, name).inputs["networksAdvanced"] as { aliases?: string[] }[])[0]?.aliases;

  expect(aliasesOf("archon-server-gateway")).toEqual(["archon-server"]);
  expect(aliasesOf("archon-server-0")).toEqual(["archon-server-servers"]);
  expect(aliasesOf("archon-other-gateway")).toBeUndefined();
  expect(aliasesOf("archon-other-0")).toEqual(["archon-other"]);
  expect(sole(CONTAINER, "archon-server-gateway").inputs["envs"]).toContain("ARCHON_ALIAS=archon-server-servers");
  const network = resources.find(({ type }) => type === "docker:index/network:Network");
  expect(network?.inputs["ipamConfigs"]).toEqual([{ subnet: "172.30.0.0/24" }]);
});

describe("a stack with further roles", () => {
  const role = (name: string, port: number, more: Partial<ApplicationRole> = {}): ApplicationRole => ({
    image: {
      repository: `archon-${name}`,
      context: "store",
      dockerfile: "Dockerfile",
      browser: false,
      args: { ROLE: name },
      buildArguments: () => ({}),
    },
    port,
    user: "10001:10001",
    aliases: [`archon-${name}`],
    tmpfs: {},
    variables: { reserved: [], of: () => ({ ROLE: name }), certificates: [] },
    readiness: { command: ["true"], path: "/", connectOnly: name === "mcp", timeoutSeconds: 5 },
    stopSeconds: 30,
    ...more,
  });
  const common = { bind: "127.0.0.1", memoryMiB: 512, replicas: 1, gpu: "none" as const, variables: {} };
  const services = [
    { ...common, name: "main", port: 1, role: "server" as const },
    { ...common, name: "mcp", port: 2, role: "mcp" as const },
    { ...common, name: "ui", port: 3, role: "ui" as const },
    { ...common, name: "ui2", port: 4, role: "ui" as const },
  ];
  const runRoles = (
    mcp: Partial<ApplicationRole> = {},
    changes: Partial<Settings> = {},
  ): ReturnType<typeof deploy<Deployment>> => {
    const application: Application = {
      ...referenceServer,
      aliases: ["archon-server"],
      variables: { ...referenceServer.variables, of: () => ({}) },
      roles: { mcp: role("mcp", 8051, mcp), ui: role("ui", 3737) },
    };
    const releases = changes.release === undefined ? [] : [ran("a"), ran(changes.release.charAt(0))];
    const previous = {
      running: releases[0]?.id,
      releases,
      sharedImages: releases[0]?.images,
      services: [],
      root: undefined,
    };
    return deploy(
      () =>
        new Deployment("archon", planDeployment(application, settings({ services, ...changes }), previous), identity),
    );
  };
  const changedMcp = (): Partial<ApplicationRole> => {
    const { image } = role("mcp", 8051);
    return { image: { ...image, args: { ROLE: "mcp", CHANGED: "1" } } };
  };

  test("has an image, a gateway and names for each, and only servers have anything of the store", async () => {
    const { result, resources, sole } = await runRoles();
    const network = (name: string): unknown => sole(CONTAINER, name).inputs["networksAdvanced"];
    expect(network("archon-main-gateway")).toMatchObject([{ aliases: ["archon-server"] }]);
    expect(network("archon-mcp-gateway")).toMatchObject([{ aliases: ["archon-mcp"] }]);
    expect(network("archon-mcp-0")).toMatchObject([{ aliases: ["archon-mcp-servers"] }]);
    expect(network("archon-ui-gateway")).toMatchObject([{ aliases: ["archon-ui"] }]);
    expect(network("archon-ui2-gateway")).not.toMatchObject([{ aliases: expect.anything() as unknown }]);
    expect(sole(CONTAINER, "archon-mcp-0").inputs).toMatchObject({
      image: result.images.roles?.["mcp"]?.image,
      mounts: [],
      user: "10001:10001",
      readOnly: true,
      envs: ["ROLE=mcp"],
    });
    expect(sole(CONTAINER, "archon-mcp-gateway").inputs["envs"]).toContain("ARCHON_HEALTH_CHECK=connect");
    expect(sole(CONTAINER, "archon-ui-gateway").inputs["envs"]).not.toContain("ARCHON_HEALTH_CHECK=connect");
    const [init] = resources.filter(({ name }) => name.startsWith("archon-store-init-"));
    const { JOB_COMMAND: command } = init?.inputs["environment"] as Record<string, string>;
    expect(command).toBe("init\n--store\n/store\n--data\ntest/main");
    expect(result.releases[0]?.images.roles).toEqual(result.images.roles);
  });

  test("creates a service after those before it in the list, and says so where its gate fails", async () => {
    const { resources, sole } = await runRoles();
    const before = (name: string): string[] => {
      const service = resources.find((each) => each.type === "archon:index:Service" && each.name === name);
      const dependencies = [service?.opts.dependsOn ?? []].flat() as unknown as {
        __name: string;
        __pulumiType: string;
      }[];
      return dependencies
        .filter(({ __pulumiType: type }) => type === "archon:index:Service")
        .map((each) => each.__name);
    };
    expect(before("archon-main")).toEqual([]);
    expect(before("archon-mcp")).toEqual(["archon-main"]);
    expect(before("archon-ui2")).toEqual(["archon-main", "archon-mcp", "archon-ui"]);
    const gate = sole(COMMAND, "archon-ui-0-ready").inputs["environment"] as Record<string, string>;
    expect(gate["GATE_EARLIER"]).toBe("main, mcp");
  });

  test("imports what each role starts before any server is touched, without anything of the store", async () => {
    const importCheck = { program: "check.py", arguments: ["--server=mcp"] };
    const { resources } = await runRoles({ importCheck });
    const [check] = resources.filter(({ type, name }) => type === COMMAND && name.startsWith("archon-imports-"));
    const environment = check?.inputs["environment"] as Record<string, string>;
    expect(check?.name).toMatch(/^archon-imports-mcp-[0-9a-f]{8}$/);
    expect(environment).toMatchObject({ CHECK_ROLE: "mcp", CHECK_ARGUMENTS: "--server=mcp" });
    expect(environment["CHECK_IMAGE"]).toMatch(/^archon-mcp:/);
    expect(environment["CHECK_OPTIONS"]).not.toContain("--mount");
    const main = resources.find(({ type, name }) => type === "archon:index:Service" && name === "archon-main");
    const dependencies = [main?.opts.dependsOn ?? []].flat() as pulumi.Resource[];
    expect(dependencies.map((each) => each.constructor.name)).toContain("ImportCheck");
    const [other] = (await runRoles({ ...changedMcp(), importCheck })).resources.filter(({ name }) =>
      /^archon-imports-mcp-[0-9a-f]{8}$/.test(name),
    );
    expect(other?.name).not.toBe(check?.name);
  });

  test("is another release with another image of one role, and nothing of the other services changes", async () => {
    const [one, other] = [await runRoles(), await runRoles(changedMcp())];
    expect(other.result.release).not.toBe(one.result.release);
    const ofServices = ({ resources }: typeof one): Map<string, unknown> =>
      new Map(
        resources
          .filter(({ type, name }) => (type === CONTAINER || type === COMMAND) && /^archon-(main|mcp|ui)/.test(name))
          .map(({ name, inputs }) => [name, inputs]),
      );
    const [before, after] = [ofServices(one), ofServices(other)];
    expect([...after.keys()]).toEqual([...before.keys()]);
    const changed = [...before.keys()].filter(
      (name) => JSON.stringify(before.get(name)) !== JSON.stringify(after.get(name)),
    );
    expect(changed).toEqual(["archon-mcp-0"]);
  });

  test("pulls an image of a role as it does that of the server, with the login of its registry", async () => {
    const reference = `second.example/mcp@sha256:${"a".repeat(64)}`;
    const { DOCKER_CONFIG: before = "" } = process.env;
    process.env["DOCKER_CONFIG"] = project;
    fs.writeFileSync(path.join(project, "config.json"), "{}");
    try {
      const { result, resources, sole } = await runRoles({ image: pulledImage(reference) });
      const image = resources.find(({ type, name }) => type === IMAGE && name.startsWith("archon-pulled-image-"));
      expect(image?.inputs).toEqual({ name: reference, keepLocally: true });
      expect(sole(CONTAINER, "archon-mcp-0").inputs["image"]).toBe(reference);
      const provider = resources.find(({ type }) => type === "pulumi:providers:docker");
      expect(JSON.parse(String(provider?.inputs["registryAuth"]))).toMatchObject([{ address: "second.example" }]);
      expect(result.releases[0]?.images.roles?.["mcp"]).toEqual({ image: reference });
    } finally {
      fs.rmSync(path.join(project, "config.json"));
      process.env["DOCKER_CONFIG"] = before;
    }
  });

  test("does not roll back to a release without an image of a role", async () => {
    await expect(runRoles({}, { release: "bbbbbbbbbbbb" })).rejects.toThrow(
      "this release cannot run again: it has no image for the role mcp of the service mcp; remove that service first",
    );
  });
});

function ran(letter: string, changes: Partial<Release> = {}): Release {
  const image = (role: string): string => `archon-${role}:${letter.repeat(16)}`;
  return {
    id: letter.repeat(12),
    created: "2026-01-01T00:00:00.000Z",
    images: { server: image("server"), bootstrap: image("bootstrap"), gateway: image("gateway") },
    environment: letter.repeat(16),
    models: [],
    ...changes,
  };
}

test("a rollback adds TLS to no gateway that may not know it", async () => {
  const tls = { certificate: "/etc/archon/tls/fullchain.pem", key: "/etc/archon/tls/privkey.pem" };
  const services = settings().services.map((each) => ({ ...each, tls }));
  const rollback = (url: string): ReturnType<typeof deploy> =>
    deploy(() => {
      const releases = [ran("a"), ran("b")];
      const previous = {
        running: ran("a").id,
        releases,
        sharedImages: ran("a").images,
        services: [{ name: "server", url }],
        root: undefined,
      };
      const changes = settings({ services, release: ran("b").id });
      return new Deployment("archon", planDeployment(referenceServer, changes, previous), identity);
    });
  await expect(rollback("http://127.0.0.1:8181")).rejects.toThrow(
    "archon:services[0].tls: a rollback keeps the image of the gateway",
  );
  await expect(rollback("https://127.0.0.1:8181")).resolves.toBeDefined();
});

test("a rollback runs the wanted release with the shared images of now, and builds nothing", async () => {
  const { result, resources, sole } = await run({ release: "bbbbbbbbbbbb" }, [ran("a"), ran("b")]);
  expect([result.release, result.releases.map(({ id }) => id)]).toEqual([
    "bbbbbbbbbbbb",
    ["bbbbbbbbbbbb", "aaaaaaaaaaaa"],
  ]);
  expect(resources.filter((each) => each.type === IMAGE).every((each) => each.inputs["build"] === undefined)).toBe(
    true,
  );
  expect(sole(CONTAINER, "archon-server-0").inputs["image"]).toBe("archon-server:bbbbbbbbbbbbbbbb");
  expect(sole(CONTAINER, "archon-server-gateway").inputs["image"]).toBe("archon-gateway:aaaaaaaaaaaaaaaa");
  expect(
    resources
      .filter((each) => each.name.endsWith("-populate"))
      .map((each) => (each.inputs["environment"] as Record<string, string>)["JOB_COMMAND"]),
  ).toEqual(["verify\n--store\n/store\nenvs/bbbbbbbbbbbbbbbb", "verify\n--store\n/store\nenvs/aaaaaaaaaaaaaaaa"]);
});

test("earlier releases stay as resources of their own, up to the number to retain, and are kept from collection", async () => {
  const { result, resources, sole } = await run({ retain: 2 }, [ran("a"), ran("b")]);
  expect(result.releases.map(({ id }) => id)).toEqual([result.release, "aaaaaaaaaaaa"]);
  expect(resources.filter((each) => each.type === IMAGE).map((each) => each.name)).toEqual(
    expect.arrayContaining(["archon-server-image-aaaaaaaaaaaaaaaa"]),
  );
  expect(resources.some((each) => each.name.includes("bbbb"))).toBe(false);
  const [job] = resources.filter((each) => /^archon-collection-[0-9a-f]{8}$/.test(each.name));
  const { JOB_TEXT: text = "{}" } = job?.inputs["environment"] as Record<string, string>;
  expect(JSON.parse(text)).toMatchObject({
    environments: expect.arrayContaining(["aaaaaaaaaaaaaaaa", result.environment.key]) as unknown,
    models: [`local/demo@${demo.revision}`],
  });
  expect(
    (sole(COMMAND, "archon-server-0-ready").inputs["environment"] as Record<string, string>)["PREVIOUS_RELEASE"],
  ).toBe("aaaaaaaaaaaa");
});

test("an engine that does not answer is reported with its address and what to do, before anything is created", async () => {
  delete process.env["ARCHON_ENGINE_ELSEWHERE"];
  try {
    await expect(run({ dockerHost: "unix:///nonexistent/docker.sock" })).rejects.toThrow(
      /^The Docker engine at unix:\/\/\/nonexistent\/docker\.sock does not answer: .+\nNothing was changed\. Start the engine, or set archon:dockerHost or DOCKER_HOST/,
    );
  } finally {
    process.env["ARCHON_ENGINE_ELSEWHERE"] = "1";
  }
});

test("an unknown release is refused with those that can be run, before anything is created", async () => {
  await expect(run({ release: "cccccccccccc" }, [ran("a", { message: "Better search" })])).rejects.toThrow(
    'archon:release: there is no such release; the releases that can run are aaaaaaaaaaaa (Better search) (received "cccccccccccc")',
  );
});

test("with rollout replace, the old servers are stopped before new ones start, and started again only if that is wanted", async () => {
  const gate = async (changes: Partial<Settings>): Promise<Record<string, string>> =>
    (await run({ rollout: "replace", ...changes })).sole(COMMAND, "archon-server-0-ready").inputs[
      "environment"
    ] as Record<string, string>;
  const { sole } = await run({ rollout: "replace" });
  expect(sole(COMMAND, "archon-server-room").inputs["create"]).toBe("components/scripts/stop-old-servers.sh");
  expect((await gate({}))["GATE_STOPPED"]).toBe("");
  expect((await gate({ autoRollback: true }))["GATE_STOPPED"]).not.toBe("");
  expect((await run()).resources.some((each) => each.name === "archon-server-room")).toBe(false);
});

test("the gate of every server asks where people do, from the host's network, and again when server or gateway change", async () => {
  const services = [
    {
      name: "a",
      port: 80,
      bind: "0.0.0.0",
      memoryMiB: 512,
      replicas: 2,
      gpu: "none" as const,
      variables: {},
      role: "server" as const,
    },
  ];
  const { sole } = await run({ services, requireToken: true });
  for (const index of [0, 1]) {
    const { inputs } = sole(COMMAND, `archon-a-${index}-ready`);
    expect(inputs["triggers"]).toEqual([`archon-a-${index}-id`, "archon-a-gateway-id"]);
    const environment = inputs["environment"] as Record<string, string>;
    expect(environment).toMatchObject({
      GATE_GATEWAY: "archon-a-gateway-id",
      GATE_URL: "http://127.0.0.1:80/health",
      GATE_ASK_IMAGE: sole(CONTAINER, "archon-a-gateway").inputs["image"],
    });
    expect(environment["GATE_ASK_OPTIONS"]?.split("\n")).toEqual(
      expect.arrayContaining(["--rm", "--read-only", "--cap-drop=ALL", "--network=host"]),
    );
  }
});

test.each([
  ["127.0.0.1", "http://127.0.0.1:80"],
  ["0.0.0.0", "http://127.0.0.1:80"],
  ["::1", "http://[::1]:80"],
  ["::", "http://[::1]:80"],
  ["10.1.2.3", "http://10.1.2.3:80"],
])("bound to %s, the address is %s", (bind, url) => {
  expect(gatewayUrl(bind, 80, "http")).toBe(url);
  expect(gatewayUrl(bind, 80, "https")).toBe(url.replace("http:", "https:"));
});

test("a GPU changes the server alone, which asks for all of them and refuses to compute without", async () => {
  const services = settings().services.map((each) => ({ ...each, gpu: "nvidia" as const }));
  const [plain, gpu] = [await run(), await run({ services })];
  const { inputs } = gpu.sole(CONTAINER, "archon-server-0");
  const { inputs: before } = plain.sole(CONTAINER, "archon-server-0");
  const envs = before["envs"] as string[];
  expect(inputs).toEqual({ ...before, gpus: "all", envs: [...envs, "ARCHON_DEVICE=cuda"].sort() });
  expect(gpu.sole(CONTAINER, "archon-server-gateway").inputs).toEqual(
    plain.sole(CONTAINER, "archon-server-gateway").inputs,
  );
});

test("an engine that knows GPUs by name is asked by name", () => {
  const args = { ...settings(), gpu: "cdi" } as unknown as Parameters<typeof containerArgs>[0];
  const { gpus, deviceRequests } = containerArgs({
    ...args,
    application: referenceServer,
    host: settings(),
    deployment: identity,
    store: undefined,
    release: ran("a", { message: "m" }),
    variables: {},
  });
  expect({ gpus, deviceRequests }).toEqual({
    deviceRequests: [{ driver: "cdi", deviceIds: ["nvidia.com/gpu=all"] }],
  });
});

test("TLS changes the gateway, which gets the directories of its files, and the gate, which compares the certificate", async () => {
  const [service] = settings().services;
  const tls = { certificate: "/etc/archon/tls/fullchain.pem", key: "/etc/archon/keys/privkey.pem" };
  const services = service === undefined ? [] : [{ ...service, tls }];
  const [plain, secure] = [await run(), await run({ services })];

  const changed = secure.resources.filter(
    ({ type, name, inputs }) => JSON.stringify(inputs) !== JSON.stringify(plain.sole(type, name).inputs),
  );
  expect(changed.map(({ name }) => name).sort()).toEqual(["archon-server-0-ready", "archon-server-gateway"]);
  expect(secure.result.url).toBe("https://127.0.0.1:8181");

  const { inputs } = secure.sole(CONTAINER, "archon-server-gateway");
  expect(inputs).toMatchObject({
    command: [
      "python3",
      "/usr/local/lib/gateway/tls.py",
      "serve",
      "/run/tls/certificate/fullchain.pem",
      "/run/tls/key/privkey.pem",
    ],
    mounts: [
      { type: "bind", source: "/etc/archon/tls", target: "/run/tls/certificate", readOnly: true },
      { type: "bind", source: "/etc/archon/keys", target: "/run/tls/key", readOnly: true },
    ],
    ports: [{ internal: 8443, external: 8181, ip: "127.0.0.1" }],
  });
  const gate = secure.sole(COMMAND, "archon-server-0-ready").inputs["environment"] as Record<string, string>;
  expect(gate["GATE_URL"]).toBe("https://127.0.0.1:8181/health");
  expect(gate["GATE_CERTIFICATE"]).toBe("/run/tls/certificate/fullchain.pem");
  // The key is none of its business.
  expect(gate["GATE_ASK_OPTIONS"]).not.toContain("/etc/archon/keys");
  expect(gate["GATE_ASK_OPTIONS"]).toContain("source=/etc/archon/tls,target=/run/tls/certificate,readonly");
});
