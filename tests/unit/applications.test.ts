import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import type * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import type { Application, ApplicationImage, ApplicationRole } from "../../applications/application";
import { applicationOf } from "../../applications/configured";
import {
  readArchonCheckout,
  readArchonProgram,
  readArchonUi,
  serverRequirements,
} from "../../applications/archon/checkout";
import { settingsProblems } from "../../applications/archon/settings";
import { probe } from "../../applications/python/application";
import { requirementLines, splitRequirements } from "../../applications/python/requirements";
import type { Problem } from "../../config/problems";
import { application as applicationSchema } from "../../config/schema";
import { contextSources, contentTag } from "../../lib/build-context";
import type { Release } from "../../release/release";
import { archonCheckout, type ArchonEra } from "../support/archon";

const PULLED = `registry.example/team/server@sha256:${"a".repeat(64)}`;

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-application-"));
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

function key(role: string): string {
  return `e30.${Buffer.from(JSON.stringify({ role })).toString("base64url")}.x`;
}

describe("a checkout of Archon", () => {
  test.each([
    ["2025-08", "src.server.main:socket_app"],
    ["uv", "src.server.main:app"],
  ] as const)("of the era %s serves %s", (era, asgiApplication) => {
    archonCheckout(era, directory);
    const context = path.join(directory, "python");
    expect(readArchonCheckout(directory)).toEqual({
      context,
      asgiApplication,
      paths: ["src/__init__.py", "src/server"],
      requirements: path.join(context, era === "uv" ? "pyproject.toml" : "requirements.server.txt"),
    });
  });

  test("has everything of it in the server's image but other programs that its Dockerfile does not copy", () => {
    archonCheckout("uv", directory);
    const context = path.join(directory, "python");
    const paths = (dockerfile: string): unknown => {
      fs.writeFileSync(path.join(context, "Dockerfile.server"), dockerfile);
      const checkout = readArchonCheckout(directory);
      return typeof checkout === "string" ? checkout : checkout.paths;
    };
    // Its compose file mounts all of src over the image.
    fs.mkdirSync(path.join(context, "src", "common"));
    expect(paths("FROM x\nCOPY src/server/ src/server/\n")).toEqual(["src/__init__.py", "src/common", "src/server"]);
    expect(paths("FROM x\nCOPY src/server/ src/server/\nCOPY src/agents/ src/agents/\n")).toEqual([
      "src/__init__.py",
      "src/agents",
      "src/common",
      "src/server",
    ]);
    expect(paths("FROM x\nCOPY src/ src/\n")).toEqual(["src"]);
    expect(paths("FROM x\nCOPY . .\n")).toEqual(["src"]);
    fs.rmSync(path.join(context, "Dockerfile.server"));
    expect(readArchonCheckout(directory)).toMatchObject({ paths: ["src"] });
  });

  test.each([
    ["no main module", "src/server/main.py"],
    ["no requirements", "pyproject.toml"],
  ])("with %s is refused by name", (_, file) => {
    archonCheckout("uv", directory);
    fs.rmSync(path.join(directory, "python", file));
    expect(readArchonCheckout(directory)).toContain(`python/${file}`);
  });

  test("requires what its groups say, with the groups that they include", () => {
    const context = path.join(directory, "python");
    fs.mkdirSync(context);
    const groups =
      'Base_1 = ["c"]\nserver = ["b>=1", { include-group = "base-1" }]\nserver_reranking = ["torch"]\nagents = ["z"]';
    fs.writeFileSync(
      path.join(context, "pyproject.toml"),
      `[project]\nname = "x"\ndependencies = ["a"]\n[dependency-groups]\n${groups}\n`,
    );
    expect(serverRequirements(path.join(context, "pyproject.toml"))).toEqual(["a", "b>=1", "c", "torch"]);
  });

  test.each([
    ["server = [{ include-group = 'none' }]", "the group none does not exist"],
    ["server = [{ include-group = 'server' }]", "the group server includes itself"],
    ["agents = []", 'has no dependency group "server"; it has agents'],
    ["server = [1]", "cannot be read"],
    ["server = [", "cannot be read"],
  ])("with the groups %p is refused", (groups, reason) => {
    fs.writeFileSync(path.join(directory, "pyproject.toml"), `[dependency-groups]\n${groups}\n`);
    expect(() => serverRequirements(path.join(directory, "pyproject.toml"))).toThrow(reason);
  });
});

describe("a role of a checkout of Archon", () => {
  const roles = (era: ArchonEra): Application["roles"] => {
    archonCheckout(era, directory);
    const config = applicationSchema.parse({
      kind: "archon",
      source: directory,
      supabase: { url: "https://x.supabase.co", serviceKey: key("service_role") },
    });
    return applicationOf(config, { project: directory, stack: "dev", roles: ["mcp", "agents", "ui"] }, [])?.roles;
  };
  const release = {} as Release;

  test.each(["2025-08", "uv"] as const)("of the era %s has its own command, files, packages and names", (era) => {
    const { mcp, agents, ui } = roles(era) ?? {};
    expect(mcp?.image).toMatchObject({
      args: {
        COMMAND: "python3 -m src.mcp_server.mcp_server",
        PATHS: "src/__init__.py\nsrc/mcp_server\nsrc/server/__init__.py\nsrc/server/discovery.py",
      },
    });
    expect(agents?.image).toMatchObject({
      args: {
        COMMAND: "python3 -m uvicorn src.agents.server:app --host 0.0.0.0 --port 8052",
        PATHS: "src/__init__.py\nsrc/agents",
      },
    });
    expect(mcp?.requirements?.list).toBe("requirements/dev/mcp/requirements");
    expect(mcp?.requirements?.text()).toBe("httpx>=0.24.0\n");
    expect(mcp?.importCheck?.arguments).toEqual(["--server=src.mcp_server.mcp_server"]);
    expect(agents?.requirements?.text()).toBe("fastapi>=0.104.0\nhttpx>=0.24.0\nuvicorn>=0.24.0\n");
    expect(ui?.requirements).toBeUndefined();
    expect([mcp, agents, ui].map((each) => [each?.aliases, each?.port])).toEqual([
      [["archon-mcp"], 8051],
      [["archon-agents"], 8052],
      [["archon-ui"], 3737],
    ]);
  });

  test("with an image of its own is neither built nor locked, and starts as one that is built", () => {
    const images = { mcp: PULLED, agents: PULLED, ui: PULLED };
    const config = applicationSchema.parse({
      kind: "archon",
      image: PULLED,
      supabase: { url: "https://x.supabase.co", serviceKey: key("service_role") },
      roleImages: images,
    });
    const place = { project: directory, stack: "dev", roles: ["mcp", "agents", "ui"] as const };
    const pulled = applicationOf(config, place, [])?.roles ?? {};
    const split = ({ image, packages, requirements, importCheck, ...rest }: ApplicationRole) => ({
      image,
      made: [packages, requirements, importCheck],
      started: JSON.parse(JSON.stringify(rest)) as object,
    });
    for (const [role, built] of Object.entries(roles("uv") ?? {})) {
      const { image, made, started } = split(pulled[role as keyof typeof pulled] as ApplicationRole);
      expect(image).toMatchObject({ reference: PULLED });
      expect(made).toEqual([undefined, undefined, undefined]);
      expect(started).toEqual(split(built).started);
    }
  });

  test("gets no key of the database, and the server knows whether there are agents", () => {
    archonCheckout("uv", directory);
    const config = applicationSchema.parse({
      kind: "archon",
      source: directory,
      supabase: { url: "https://x.supabase.co", serviceKey: key("service_role") },
    });
    const place = { project: directory, stack: "dev" };
    const [without, having] = ([[], ["mcp", "agents"]] as const).map((each) =>
      applicationOf(config, { ...place, roles: each }, []),
    );
    for (const role of Object.values(having?.roles ?? {})) {
      expect(JSON.stringify([role.variables.of(release, ""), role.variables.secret])).not.toMatch(/SUPABASE/);
    }
    const told = { id: "0123456789ab", images: { server: "s", bootstrap: "b", gateway: "g" } } as Release;
    expect(without?.variables.of(told, "")).toMatchObject({ AGENTS_ENABLED: "false", ARCHON_RELEASE: told.id });
    expect(having?.variables.of({ ...told, images: { ...told.images, roles: {} } }, "")).toMatchObject({
      AGENTS_ENABLED: "true",
    });
  });

  test("was in another directory before", () => {
    archonCheckout("2025-08", directory);
    const context = path.join(directory, "python");
    fs.renameSync(path.join(context, "src/mcp_server"), path.join(context, "src/mcp"));
    fs.writeFileSync(
      path.join(context, "Dockerfile.mcp"),
      "FROM x\nCOPY src/mcp/ src/mcp/\nCOPY src/server/*.py src/server/\n",
    );
    expect(readArchonProgram(context, "mcp")).toMatchObject({
      module: "src.mcp.mcp_server",
      paths: ["src/mcp", "src/server"],
    });
  });

  test("takes nothing hidden and nothing made into the image of the user interface", () => {
    archonCheckout("uv", directory);
    const context = path.join(directory, "archon-ui-main");
    for (const name of ["node_modules", "dist", ".git"]) {
      fs.mkdirSync(path.join(context, name));
    }
    fs.writeFileSync(path.join(context, ".env"), "SECRET=1");
    expect(readArchonUi(directory)).toEqual({
      context,
      paths: ["README.md", "build.mjs", "index.html", "package-lock.json", "package.json", "src"],
    });
  });

  test("is as old as the checkout", () => {
    const until = roles("uv")?.mcp?.requirements?.until;
    expect(until?.()).toBeUndefined();
    const git = (...args: string[]): void => {
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], {
        cwd: directory,
        env: { ...process.env, GIT_COMMITTER_DATE: "2025-10-12T23:30:00Z" },
        stdio: "ignore",
      });
    };
    git("init");
    git("commit", "--allow-empty", "--message=x");
    expect(until?.()).toBe("2025-10-12");
  });
});

describe("requirements", () => {
  test("lose comments and keep everything else", () => {
    expect(requirementLines("\uFEFF# torch>=2\na==1 # pinned\n\n  b[x]>=2 ; python_version<'4'\r\n", "x")).toEqual([
      "a==1",
      "b[x]>=2 ; python_version<'4'",
    ]);
  });

  test.each([
    "-r base.txt",
    "-e .",
    "--index-url https://x",
    "https://x/y.whl",
    "./y.whl",
    "a==1 \\",
    "a==1 --hash=sha256:0",
  ])("%s is refused, with file and line", (line) => {
    expect(() => requirementLines(`a==1\n${line}\n`, "r.txt")).toThrow("r.txt, line 2: ");
  });

  test("keep every line of a package that has several", () => {
    const torch = ["torch==2.2; python_version<'3.12'", "torch==2.8; python_version>='3.12'"];
    expect(splitRequirements(torch).environment.slice(0, 2)).toEqual(torch);
  });

  test("of further packages of the environment leave the image", () => {
    expect(splitRequirements(["FlagEmbedding>=1", "a"], ["flagembedding"])).toMatchObject({
      image: ["a"],
      environment: expect.arrayContaining(["FlagEmbedding>=1"]) as string[],
    });
  });

  test("are split by package, and what an environment needs is added", () => {
    expect(splitRequirements(["zeta", "Torch==2.8.0", "alpha[x]>=1", "safetensors"])).toEqual({
      image: ["alpha[x]>=1", "zeta"],
      environment: ["Torch==2.8.0", "transformers>=4.30.0", "sentence-transformers>=5.4", "safetensors"],
      notes: [],
    });
  });

  test.each([
    ["sentence-transformers>=4.1.0", "sentence-transformers>=5.4"],
    ["sentence_transformers==4.1.0", "sentence-transformers>=5.4"],
    ["sentence-transformers", "sentence-transformers>=5.4"],
    ["sentence-transformers>=5.4.1", "sentence-transformers>=5.4.1"],
    ["sentence-transformers==6.0", "sentence-transformers==6.0"],
    ["sentence-transformers[onnx]==4.1 ; python_version<'4'", "sentence-transformers[onnx]>=5.4 ; python_version<'4'"],
    ["sentence-transformers @ git+https://x", "sentence-transformers @ git+https://x"],
  ])("%s becomes %s, and says so when it changes", (given, becomes) => {
    const { environment, notes } = splitRequirements([given]);
    expect(environment).toContain(becomes);
    expect(notes).toHaveLength(given === becomes ? 0 : 1);
  });
});

describe("Archon's settings", () => {
  const problemsOf = (url: string, serviceKey = key("service_role")): string[] =>
    settingsProblems({ supabase: { url, serviceKey } }).map(
      ({ path: at, reason }) => `${at.map(String).join(".")} ${reason}`,
    );

  test.each([
    "https://x.supabase.co",
    "http://192.168.1.5:8000",
    "http://172.20.0.9:8000",
    "http://10.1.2.3",
    "http://host.docker.internal:8000",
    "http://[fd00::1]:8000",
  ])("%s is allowed", (url) => {
    expect(problemsOf(url)).toEqual([]);
  });

  test.each([
    ["http://kong:8000", "must begin with https://"],
    ["http://x.supabase.co", "must begin with https://"],
    ["http://8.8.8.8", "must begin with https://"],
    ["http://localhost:8000", "is the container itself"],
    ["http://127.0.0.1:8000", "is the container itself"],
    ["http://db.localhost", "is the container itself"],
    ["http://[::1]", "is the container itself"],
  ])("%s is refused", (url, reason) => {
    expect(problemsOf(url)).toEqual([expect.stringContaining(`application.supabase.url ${reason}`)]);
  });

  test.each([
    [key("anon"), "is the key of the role anon"],
    ["e30.e30.x", "is the key of the role none"],
    ["sb_secret_abc", "must be a JSON Web Token of three parts"],
    ["a.b.c.d", "must be a JSON Web Token of three parts"],
    ["", "must be a JSON Web Token of three parts"],
  ])("the key %p is refused, and not shown", (serviceKey, reason) => {
    const problems = settingsProblems({ supabase: { url: "https://x.supabase.co", serviceKey } });
    expect(problems).toEqual([
      { path: ["application", "supabase", "serviceKey"], reason: expect.stringContaining(reason) as string },
    ]);
  });
});

describe("an application with lists of its own", () => {
  function resolve(config: object): { problems: Problem[]; found: ReturnType<typeof applicationOf> } {
    const problems: Problem[] = [];
    const found = applicationOf(applicationSchema.parse(config), { project: directory, stack: "dev" }, problems);
    return { problems, found };
  }
  const service = { kind: "python", source: "service", command: ["python3", "-m", "app"], port: 9000 };

  function writeService(requirements: string): void {
    fs.mkdirSync(path.join(directory, "service"), { recursive: true });
    fs.writeFileSync(path.join(directory, "service", "requirements.txt"), requirements);
  }

  function lock(): void {
    const { requirements } = resolve(service).found ?? {};
    fs.mkdirSync(path.join(directory, "requirements", "dev"), { recursive: true });
    for (const [file, text] of [
      [requirements?.image, requirements?.lists?.().image],
      [requirements?.environment, requirements?.lists?.().environment],
    ]) {
      fs.writeFileSync(path.join(directory, `${String(file)}.in`), String(text));
      fs.writeFileSync(path.join(directory, `${String(file)}.txt`), "");
    }
  }

  test("must be locked first", () => {
    writeService("flask\n");
    expect(resolve(service).problems).toEqual([
      {
        path: ["application", "source"],
        reason: "its packages are not locked yet; `./archon lock --stack dev` writes requirements/dev",
      },
    ]);
    lock();
    expect(resolve(service).problems).toEqual([]);
  });

  test("must be locked again when it requires something else", () => {
    writeService("flask\nold\n");
    lock();
    writeService("flask\nnew>=2\n");
    expect(resolve(service).problems[0]?.reason).toMatch(
      /has changed since it was locked \(new: new>=2, gone: old\); `\.\/archon lock --stack dev`/,
    );
  });

  test("names every file that is missing", () => {
    writeService("");
    const { problems, found } = resolve({ ...service, files: "src", requirements: ["requirements.txt", "more.txt"] });
    expect(found).toBeUndefined();
    expect(problems.map(({ path: at, received }) => [...at, received])).toEqual([
      ["application", "files", "src"],
      ["application", "requirements", 1, "more.txt"],
    ]);
    expect(resolve({ ...service, source: "nowhere" }).problems).toHaveLength(1);
  });

  test("is started by a command that a shell reads as it is", () => {
    writeService("");
    const { found } = resolve({ ...service, command: ["python3", "-c", "print('it is $HOME')"] });
    const image = found?.image as ApplicationImage;
    expect(image.args?.["COMMAND"]).toBe(`python3 -c 'print('\\''it is $HOME'\\'')'`);
  });

  test.each([
    [["python3", "-m", "uvicorn", "src.main:app", "--port", "9000"], undefined, ["--server=src.main"]],
    [["gunicorn", "main:create_app()"], undefined, ["--server=main"]],
    [["python3", "-m", "app"], undefined, []],
    [
      ["python3", "-m", "app"],
      ["app.server", "app.jobs"],
      ["--server=app.server", "--server=app.jobs"],
    ],
  ])("that is started by %j, with the modules %j, is imported as %j", (command, modules, imported) => {
    writeService("");
    const { found } = resolve({ ...service, command, ...(modules === undefined ? {} : { modules }) });
    expect(found?.importCheck?.arguments).toEqual(["--abi=cp311", ...imported]);
  });

  test("has the packages that its sources do not name", () => {
    writeService("flask\n");
    const { found } = resolve({ ...service, packages: ["psutil>=5"] });
    expect(found?.requirements.lists?.().image).toBe("flask\npsutil>=5\n");
  });

  test("needs neither sources nor lists with an image, which is pulled", () => {
    const { problems, found } = resolve({ kind: "python", image: PULLED, port: 9000 });
    expect(problems).toEqual([]);
    expect(found).toMatchObject({ image: { reference: PULLED }, port: 9000 });
    expect(found?.packages).toBeUndefined();
    expect(found?.requirements.lists).toBeUndefined();
  });
});

test.each([
  [`docker.io/library/server@sha256:${"b".repeat(64)}`, `server@sha256:${"b".repeat(64)}`],
  [`docker.io/team/server@sha256:${"b".repeat(64)}`, `team/server@sha256:${"b".repeat(64)}`],
  [PULLED, PULLED],
])("the image %s is named as the engine lists it", (image, reference) => {
  const config = applicationSchema.parse({ kind: "reference", image });
  expect(applicationOf(config, { project: directory, stack: "dev" }, [])?.image).toMatchObject({ reference });
});

describe("the health check", () => {
  const ready = '{"status":"healthy","ready":true}';

  /** Exit status and output of the program that checks a server with this answer; undefined for no server. */
  async function check(status: number | undefined, body = ""): Promise<{ code: number | null; output: string }> {
    const server = http.createServer((_, response) => response.writeHead(status ?? 500).end(body));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as net.AddressInfo;
    if (status === undefined) {
      server.close();
    }
    const child = spawn("bash", ["-c", probe(port, { path: "/health", body: '"ready": ?true' })]);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    server.close();
    return { code, output };
  }

  test.each([
    ["a server that is ready", 200, ready, 0],
    ["a server that is ready, with a blank", 200, '{"ready": true}', 0],
    ["a server that is not ready and says 200", 200, '{"ready":false}', 1],
    ["a server that is not ready", 503, ready, 1],
    ["an answer that has 200 in it", 404, ` 200 ${ready}`, 1],
    ["no server", undefined, "", 1],
  ])("of %s", async (_, status, body, expected) => {
    const { code, output } = await check(status, body);
    expect(code).toBe(expected);
    expect(output).toBe(expected === 1 && status !== undefined ? `${body}\n` : output);
  });
});

test("a Dockerfile outside the context, and a path that an argument names, are part of the tag", () => {
  const dockerfile = path.join(directory, "Dockerfile");
  const context = path.join(directory, "context");
  fs.mkdirSync(path.join(context, "src"), { recursive: true });
  fs.writeFileSync(dockerfile, "FROM x\nARG FILES\nCOPY --chmod=0755 ${FILES} /app/${FILES}\n");
  fs.writeFileSync(path.join(context, "src", "main.py"), "1");
  fs.writeFileSync(path.join(context, "other.py"), "1");
  const tag = (): string => contentTag(context, dockerfile, { FILES: "src" });
  expect(contextSources("COPY ${FILES} /", { FILES: "src" })).toEqual(["src"]);
  const before = tag();
  fs.writeFileSync(path.join(context, "other.py"), "2");
  expect(tag()).toBe(before);
  fs.writeFileSync(path.join(context, "src", "main.py"), "2");
  const changed = tag();
  expect(changed).not.toBe(before);
  fs.appendFileSync(dockerfile, "# changed\n");
  expect(tag()).not.toBe(changed);
});
