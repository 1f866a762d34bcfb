import * as automation from "@pulumi/pulumi/automation";
import { execFileSync, spawn, type ChildProcess, spawnSync } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { parse } from "yaml";
import { devStack } from "../../config/stack";
import { engineEnvironment } from "../../commands/lib/docker";
import { pulumiEnvironment, readTools } from "../../commands/lib/environment";
import { removeFromEngine } from "../../commands/test/leftovers";
import { machineFile, projectRoot } from "../../lib/paths";

const LABEL = "io.archon.stack";
/** Marks a secret in a state. */
const SECRET = "4dabf18193072939515e22adb298388d";

/** What one update did to one resource. */
export interface Step {
  op: string;
  type: string;
  name: string;
}

/**
 * A copy of the checkout with a state of its own, in which a test may change sources. Everything that it makes on the
 * host has the label of one of its stacks; `remove` removes it.
 */
export class Checkout {
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-engine-"));
  /** The store that its stacks share, on the same host. */
  readonly root = path.join(this.directory, "host-store");
  /** The stacks that this checkout removes, with their stores. */
  private readonly stores = new Map<string, string>();

  /** @param commit to copy. @default the working tree */
  constructor(commit?: string) {
    if (commit === undefined) {
      this.copyWorkingTree();
    } else {
      this.extract(commit);
    }
    fs.symlinkSync(path.join(projectRoot, "node_modules"), path.join(this.directory, "node_modules"));
    fs.mkdirSync(backendOf(this.directory), { recursive: true });
    fs.mkdirSync(path.join(this.directory, ".archon", "logs"));
    fs.copyFileSync(machineFile, path.join(this.directory, ".archon", "machine.json"));
  }

  /** The variables with which commands find the state of its stacks. */
  get backend(): { PULUMI_BACKEND_URL: string; PULUMI_CONFIG_PASSPHRASE_FILE: string } {
    return {
      PULUMI_BACKEND_URL: `file://${backendOf(this.directory)}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: path.join(this.directory, ".archon", "test-passphrase"),
    };
  }

  private copyWorkingTree(): void {
    const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
      cwd: projectRoot,
      encoding: "utf8",
    });
    for (const file of listed
      .split("\0")
      .filter((each) => each !== "" && fs.existsSync(path.join(projectRoot, each)))) {
      fs.cpSync(path.join(projectRoot, file), path.join(this.directory, file));
    }
  }

  private extract(commit: string): void {
    const git = (...args: string[]): Buffer =>
      execFileSync("git", args, { cwd: projectRoot, maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] });
    try {
      git("cat-file", "-e", `${commit}^{commit}`);
    } catch {
      throw new Error(
        `This clone does not contain the commit ${commit}, from which the test deploys. Fetch the history with \`git fetch --unshallow\`, then run the test again.`,
      );
    }
    execFileSync("tar", ["-x", "-C", this.directory], { input: git("archive", commit) });
  }

  edit(file: string, change: (text: string) => string): void {
    const target = path.join(this.directory, file);
    fs.writeFileSync(target, change(fs.readFileSync(target, "utf8")));
  }

  /**
   * A stack with a small environment and no models, on a free port, unless the configuration says otherwise.
   * @param name that of another checkout's stack, for a test of what then happens. @default one of its own
   */
  async stack(
    configuration: Readonly<Record<string, unknown>> = {},
    name = `test-${crypto.randomBytes(4).toString("hex")}`,
  ): Promise<EngineStack> {
    return this.open(name, this.directory, await this.configure(name, configuration));
  }

  /** Writes the configuration of such a stack, which a command may then make. {@link remove} removes it. */
  async configure(
    name: string,
    configuration: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    const values = {
      root: this.root,
      requirements: "tests/support/locks/small.txt",
      imports: ["six", "iniconfig"],
      services: [{ name: "server", port: await freePort(), memoryMiB: 1024 }],
      ...configuration,
    };
    fs.writeFileSync(path.join(this.directory, `Pulumi.${name}.yaml`), JSON.stringify({ config: qualified(values) }));
    this.stores.set(name, String(values.root));
    return values;
  }

  /**
   * A stack of another checkout, with the same state and configuration, run by the program of this one. The other
   * checkout still removes it.
   */
  async adopt(stack: EngineStack): Promise<EngineStack> {
    const file = `Pulumi.${stack.name}.yaml`;
    fs.copyFileSync(path.join(stack.directory, file), path.join(this.directory, file));
    return this.open(stack.name, stack.stateDirectory, stack.configuration);
  }

  /** A stack whose state is lost, with its configuration and nothing else. */
  async loseState(stack: EngineStack): Promise<EngineStack> {
    fs.rmSync(backendOf(stack.stateDirectory), { recursive: true });
    return this.open(stack.name, this.directory, stack.configuration);
  }

  /** @param stateDirectory the checkout that holds the state */
  private async open(
    name: string,
    stateDirectory: string,
    values: Readonly<Record<string, unknown>>,
  ): Promise<EngineStack> {
    if (!fs.existsSync(stateFile(stateDirectory, name))) {
      writeEmptyState(stateDirectory, name);
    }
    const workspace = await automation.LocalWorkspace.create({
      workDir: this.directory,
      pulumiCommand: await pulumiCommand(),
      envVars: {
        ...(engineEnvironment(devStack, pulumiEnvironment()) as Record<string, string>),
        PULUMI_BACKEND_URL: `file://${backendOf(stateDirectory)}`,
        PULUMI_CONFIG_PASSPHRASE: "test",
        // Programs of earlier commits read it.
        PULUMI_NODEJS_TRANSPILE_ONLY: "true",
      },
    });
    // Every operation names its stack.
    workspace.selectStack = () => Promise.resolve();
    const stack = await automation.Stack.select(name, workspace);
    // The result of an operation would contain both, each read by a program that takes half a second. No test needs
    // them from there.
    const readOutputs = stack.outputs.bind(stack);
    stack.outputs = () => Promise.resolve({});
    stack.info = () => Promise.resolve(undefined);
    return new EngineStack(stack, readOutputs, this.directory, stateDirectory, values);
  }

  /** Removes everything that the stacks left on the host. Pulumi would need seconds of processor time for each. */
  remove(): void {
    for (const [name, root] of this.stores) {
      listImages(path.join(root, "refs", `archon-${name}.json`));
      removeFromEngine(name);
      // A store that other files share would otherwise keep what this stack needed.
      for (const file of [`archon-${name}.json`, `archon-${name}.owner`]) {
        fs.rmSync(path.join(root, "refs", file), { force: true });
      }
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Adds the images that GC roots name to those that the run removes at its end. A file that runs alone leaves them. */
function listImages(roots: string): void {
  const list = process.env["ARCHON_TEST_IMAGES"];
  if (list !== undefined && fs.existsSync(roots)) {
    const { images = [] } = JSON.parse(fs.readFileSync(roots, "utf8")) as { images?: string[] };
    fs.appendFileSync(list, images.map((image) => `${image}\n`).join(""));
  }
}

/** Directory of the file backend of a copied checkout. */
export function backendOf(checkout: string): string {
  return path.join(checkout, ".archon", "backend");
}

function stateFile(checkout: string, stack: string): string {
  return path.join(backendOf(checkout), ".pulumi", "stacks", "archon", `${stack}.json`);
}

/** Writes what `pulumi stack init` does, without a program that takes half a second. */
function writeEmptyState(checkout: string, stack: string): void {
  const file = stateFile(checkout, stack);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, JSON.stringify({ version: 3, checkpoint: { stack: `organization/archon/${stack}` } }));
  fs.writeFileSync(path.join(backendOf(checkout), ".pulumi", "meta.yaml"), "version: 1\n");
}

let command: Promise<automation.PulumiCommand> | undefined;

/** The CLI that the set-up chose. Pulumi asks it for its version, which is enough once. */
function pulumiCommand(): Promise<automation.PulumiCommand> {
  const { binDirectory } = readTools();
  command ??= automation.PulumiCommand.get(binDirectory === undefined ? {} : { root: path.dirname(binDirectory) });
  return command;
}

export class EngineStack {
  readonly name: string;

  constructor(
    private readonly stack: automation.Stack,
    private readonly readOutputs: () => Promise<automation.OutputMap>,
    /** The checkout whose program runs. */
    readonly directory: string,
    /** The checkout that holds the state. */
    readonly stateDirectory: string,
    private values: Readonly<Record<string, unknown>>,
  ) {
    this.name = stack.name;
  }

  /** What the stack is configured with, by keys without the project's name. */
  get configuration(): Readonly<Record<string, unknown>> {
    return this.values;
  }

  /** The store's directory. */
  get root(): string {
    return String(this.values["root"]);
  }

  /** Replaces the configuration, except for secrets that are top-level keys. */
  set configuration(values: Readonly<Record<string, unknown>>) {
    this.values = values;
    const file = path.join(this.directory, `Pulumi.${this.name}.yaml`);
    const { encryptionsalt, config } = parse(fs.readFileSync(file, "utf8")) as {
      encryptionsalt?: string;
      config: Record<string, unknown>;
    };
    const secrets = Object.entries(config).filter(
      ([, value]) => typeof value === "object" && value !== null && "secure" in value,
    );
    fs.writeFileSync(
      file,
      JSON.stringify({ encryptionsalt, config: { ...qualified(values), ...Object.fromEntries(secrets) } }),
    );
  }

  /**
   * Sets a secret value, encrypted by Pulumi. The key may be a path, such as `services[0].variables.NAME`; `configure`
   * removes such a secret.
   */
  async setSecret(key: string, value: string): Promise<void> {
    await this.stack.setConfig(`archon:${key}`, { value, secret: true }, true);
  }

  /** The state as it is on the disk, with encrypted secrets; an export by the Automation API decrypts them. */
  state(): string {
    return fs.readFileSync(stateFile(this.stateDirectory, this.name), "utf8");
  }

  configure(changes: Readonly<Record<string, unknown>>): void {
    this.configuration = { ...this.values, ...changes };
  }

  /** Runs an update. @returns the resources that it changed */
  async up(options: { refresh?: boolean } = {}): Promise<Step[]> {
    const steps: Step[] = [];
    try {
      await this.stack.up({ ...options, onEvent: collect(steps) });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.containerLogs()}`);
    }
    return steps;
  }

  /** The last lines of every container of this stack, for the message of a failing test. Store jobs may end meanwhile. */
  private containerLogs(): string {
    return docker("ps", "--all", `--filter=label=${LABEL}=${this.name}`, "--format={{.ID}} {{.Names}}: {{.Status}}")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => `── ${line}\n${logsOf(line.replace(/ .*/, ""), 20)}`)
      .join("\n");
  }

  /** Runs an update. @returns everything it printed. */
  async upOutput(): Promise<string> {
    const { stdout, stderr } = await this.stack.up();
    return stdout + stderr;
  }

  /** Runs an update that must fail. @returns everything it printed. */
  async failingUp(): Promise<string> {
    try {
      await this.stack.up();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error(`The update of ${this.name} succeeded.`);
  }

  /** Starts the Pulumi CLI on this stack, in a process group of its own that a test may kill. */
  spawn(...args: string[]): ChildProcess {
    return spawn("pulumi", [...args, "--stack", this.name, "--non-interactive"], {
      cwd: this.directory,
      env: { ...process.env, ...this.stack.workspace.envVars },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Runs the Pulumi CLI on this stack. @returns what it wrote to stdout, even if it failed */
  async pulumi(...args: string[]): Promise<string> {
    const child = this.spawn(...args);
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr?.resume();
    await once(child, "close");
    return stdout;
  }

  /** Adds environment variables for Pulumi while `work` runs. */
  async withEnvironment(variables: Readonly<Record<string, string>>, work: () => Promise<void>): Promise<void> {
    const { workspace } = this.stack;
    const before = workspace.envVars;
    workspace.envVars = { ...before, ...variables };
    try {
      await work();
    } finally {
      workspace.envVars = before;
    }
  }

  async preview(): Promise<Step[]> {
    const steps: Step[] = [];
    await this.stack.preview({ onEvent: collect(steps) });
    return steps;
  }

  /** Runs a refresh. @returns the resources that differ from the state */
  async refresh(): Promise<Step[]> {
    const steps: Step[] = [];
    await this.stack.refresh({ onEvent: collect(steps) });
    return steps;
  }

  async destroy(): Promise<void> {
    await this.stack.destroy();
  }

  /** Those of the state; nothing before the first update. Only a secret one takes Pulumi to read. */
  async outputs(): Promise<Record<string, unknown>> {
    const { checkpoint } = JSON.parse(this.state()) as {
      checkpoint: { latest?: { resources?: { type: string; outputs?: Record<string, unknown> }[] } };
    };
    const root = checkpoint.latest?.resources?.find(({ type }) => type === "pulumi:pulumi:Stack");
    const outputs = root?.outputs ?? {};
    if (!JSON.stringify(outputs).includes(SECRET)) {
      return outputs;
    }
    return Object.fromEntries(
      Object.entries(await this.readOutputs()).map(([key, { value }]) => [key, value as unknown]),
    );
  }

  async url(): Promise<string> {
    return (await this.outputs())["url"] as string;
  }

  /** Waits until the gateway runs and has a server to route to. */
  async healthy(): Promise<void> {
    await waitForHealth(await this.url()).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.containerLogs()}`);
    });
  }

  /**
   * Ids of this stack's containers of one component.
   * @param options.stopped whether to list stopped ones too. @default false
   */
  containers(component: "server" | "gateway" | "one-shot", { stopped = false } = {}): string[] {
    return docker(
      "ps",
      "--quiet",
      `--all=${stopped}`,
      "--no-trunc",
      `--filter=label=${LABEL}=${this.name}`,
      `--filter=label=io.archon.component=${component}`,
    )
      .split("\n")
      .filter((id) => id !== "");
  }
}

/**
 * Configuration of the real ML environment, as in the stack `dev`. In a run of `npm test`, all files share the store with
 * its 6 GB.
 */
export function fullEnvironment(checkout: Checkout): Record<string, unknown> {
  return {
    root: process.env["ARCHON_TEST_STORE"] ?? checkout.root,
    requirements: "applications/reference/requirements.server.ml.txt",
    imports: ["torch", "transformers", "sentence_transformers"],
  };
}

/**
 * The stack `dev` on a free port: the real ML environment and the demo model.
 * @param configuration what differs from that
 */
export async function fullStack(
  checkout: Checkout,
  configuration: Readonly<Record<string, unknown>> = {},
  name?: string,
): Promise<EngineStack> {
  const { config } = parse(fs.readFileSync(path.join(checkout.directory, "Pulumi.dev.yaml"), "utf8")) as {
    config: Record<string, unknown>;
  };
  const values = {
    ...fullEnvironment(checkout),
    models: config["archon:models"],
    services: [{ name: "server", port: await freePort(), memoryMiB: 3072 }],
    ...configuration,
  };
  return checkout.stack(values, name);
}

export interface Inspection {
  Mounts: { Source: string; Destination: string; RW: boolean }[];
  Config: { Image: string; User: string; Env: string[] };
  State: { Running: boolean };
  HostConfig: {
    RestartPolicy: { Name: string };
    ReadonlyRootfs: boolean;
    CapDrop: string[];
    SecurityOpt: string[];
    Memory: number;
    MemorySwap: number;
    PortBindings: Record<string, { HostIp: string }[]>;
  };
}

export function inspect(container: string): Inspection {
  return (JSON.parse(docker("inspect", container)) as [Inspection])[0];
}

export function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", env: engineEnvironment(devStack) }).trim();
}

/** Everything that a container has written, or its last lines. */
export function logsOf(container: string, lines?: number): string {
  const { stdout, stderr } = spawnSync("docker", ["logs", `--tail=${lines ?? "all"}`, container], {
    encoding: "utf8",
    env: engineEnvironment(devStack),
  });
  return stdout + stderr;
}

/** Waits until a gateway answers that a server is ready. @param url of the gateway */
export async function waitForHealth(url: string): Promise<void> {
  // Docker accepts connections for a container that does not listen yet; such a request may never be answered.
  const answers = (): Promise<boolean> =>
    fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  for (const deadline = Date.now() + 120_000; !(await answers());) {
    if (Date.now() > deadline) {
      throw new Error(`${url}/health does not answer with success.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export function hasImage(reference: string): boolean {
  return docker("image", "ls", "--quiet", reference) !== "";
}

/**
 * A free port of loopback. It is below the ports that the kernel gives to outgoing connections, one of which could be
 * taken before the test binds it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + crypto.randomInt(12_000);
    if (await isFree(port)) {
      return port;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net
      .createServer()
      .once("error", () => {
        resolve(false);
      })
      .listen(port, "127.0.0.1", () => {
        server.close(() => {
          resolve(true);
        });
      });
  });
}

function qualified(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`archon:${key}`, value]));
}

/** Collects the steps that change something on the host: components and the stack itself exist only in the state. */
function collect(steps: Step[]): (event: automation.EngineEvent) => void {
  return (event) => {
    const metadata = event.resourcePreEvent?.metadata ?? event.resOutputsEvent?.metadata;
    if (metadata === undefined || metadata.op === "same" || metadata.op === "read" || metadata.op === "refresh") {
      return;
    }
    const [, , type = "", name = ""] = /^urn:pulumi:.*?::(.*?)::(.*)::(.*)$/.exec(metadata.urn) ?? [];
    const step = { op: metadata.op, type: type.replace(/^.*\$/, ""), name };
    if (!/^(archon|pulumi):/.test(step.type) && !steps.some((each) => each.op === step.op && each.name === step.name)) {
      steps.push(step);
    }
  };
}
