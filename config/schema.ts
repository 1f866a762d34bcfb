import { z } from "zod";
import { contains, isStackNetwork } from "./networks";
import { mayBeSecret, type Problem } from "./problems";
import { DEFAULT_PYTHON, PYTHON_VERSIONS, type PythonVersion } from "./python";

/** Key of the hub's token. The schema does not contain it: a secret is read as an Output, so that no message shows it. */
export const HUB_TOKEN = "hubToken";

const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?$/, "must be 1 to 40 lower-case letters, digits, dots and hyphens");
const absolutePath = z.string().regex(/^\/(?!.*\/\.\.?(\/|$)).+/, "must be an absolute path without . or .. parts");
const engineAddress = z
  .string()
  .regex(
    /^(unix:\/\/\/\S+|ssh:\/\/([\w.-]+@)?([\w.-]+|\[[\da-f:]+\])(:\d+)?|tcp:\/\/([\w.-]+|\[[\da-f:]+\]):\d+)$/i,
    "must be empty or the address of a Docker engine: unix:///path, ssh://[user@]host[:port] or tcp://host:port",
  );
const url = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });

const revision = z
  .string()
  .regex(/^[0-9a-f]{40}$/, "must be a commit of 40 hex digits; a branch such as main may be another model tomorrow");
const variant = z.enum(["auto", "float32", "bfloat16"]).default("auto");
const hubModel = z.strictObject({
  name,
  repo: z.string().regex(/^[\w.-]+\/[\w.-]+$/, "must be <organisation>/<name>"),
  revision,
  variant,
});
const directoryModel = z.strictObject({ name, directory: z.string().min(1), variant });
const derivedModel = z.strictObject({ name, from: name, variant: z.literal("int8"), revision });

/** An entry of `archon:models`. */
export const modelEntry = z.union([hubModel, directoryModel, derivedModel], {
  error:
    'must be { name, repo, revision } with a commit of 40 hex digits, or { name, directory }, both optionally with variant: "float32" or "bfloat16"; or { name, from, variant: "int8", revision }, which ./archon models derive prints',
});
export type ModelEntry = z.infer<typeof modelEntry>;

const tlsFile = absolutePath.refine(
  (file) => file.lastIndexOf("/") > 0,
  "must be in a directory, which the gateway mounts: move it out of /",
);
const tls = z
  .strictObject({ certificate: tlsFile, key: tlsFile })
  .refine(({ certificate, key }) => certificate !== key, {
    path: ["key"],
    error: "must be another file than the certificate: other users may read that one",
  });

/** The files of the Docker host with which a gateway serves TLS. */
export type TlsFiles = z.infer<typeof tls>;

/** A service with a GPU, whatever its other fields are. */
export const gpuService = z.object({ name, gpu: z.literal("nvidia") });

/** A service with TLS, whatever its other fields are. */
export const tlsService = z.object({ name, tls });
export type TlsService = z.infer<typeof tlsService>;

/** What a service can be: the application's server, or one of its further roles. */
export const ROLES = ["server", "mcp", "agents", "ui"] as const;
export type ServiceRole = (typeof ROLES)[number];
export type FurtherRole = Exclude<ServiceRole, "server">;

/** A service and its role, whatever its other fields are. */
export const roleService = z.object({ name, role: z.enum(ROLES).default("server") });

/** The role of an unchecked service. */
const rawRole = z.enum(ROLES).catch("server");

const variableName = z.string().regex(/^[A-Za-z_]\w*$/, "must be a name of letters, digits and underscores");
const port = z.int().min(1).max(65535);

/** Port on which a gateway listens for TLS, inside its container. There it also listens on that of its servers. */
export const GATEWAY_TLS_PORT = 8443;
const service = z.strictObject({
  name,
  role: z.enum(ROLES).default("server"),
  port,
  bind: z.union([z.ipv4(), z.ipv6()], { error: "must be an IP address of the host" }).default("127.0.0.1"),
  memoryMiB: z.int().min(256, "must be at least 256").default(4096),
  replicas: z.int().min(1).max(4).default(1),
  tls: tls.optional(),
  gpu: z.enum(["none", "nvidia"]).default("none"),
  variables: z
    .record(variableName, z.union([z.string(), z.number(), z.boolean()], { error: "must be text" }).transform(String))
    .default({}),
});

const pathBelow = z
  .string()
  .regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+/, "must be a path below the source, without .. parts");

const packageNames = z.array(z.string().regex(/^[A-Za-z0-9][\w.-]*$/, "must be the name of a package")).optional();
const packageRequirements = z
  .array(
    z
      .string()
      .regex(
        /^[A-Za-z0-9][\w.-]*(\[[\w.,\s-]*\])?\s*([<>=!~]=?.*)?$/,
        "must be a requirement such as psutil or psutil>=5",
      ),
  )
  .optional();
const moduleNames = z.array(z.string().regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/, "must be a Python module name"));
const takenDirectories = ["/app", "/data", "/tmp", "/root", "/root/.local", "/root/.cache/huggingface"];
const ownDirectory = absolutePath.refine(
  (directory) => !takenDirectories.includes(directory),
  `must be another directory than ${takenDirectories.join(", ")}`,
);

/** YAML reads 3.13 without quotes as a number. */
const pythonVersion = z
  .preprocess((value) => (typeof value === "number" ? String(value) : value), z.enum(PYTHON_VERSIONS))
  .default(DEFAULT_PYTHON);

/** Docker's own registry has no name in what the engine lists. */
const imageReference = z
  .string()
  .regex(
    /^([\w.-]+(:\d+)?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*@sha256:[0-9a-f]{64}$/,
    "must be <repository>@sha256:<64 hex digits>; a tag may be another image tomorrow: `docker push` and `docker pull` print the digest",
  )
  .transform((reference) => reference.replace(/^((index\.)?docker\.io\/)?(library\/)?/, ""))
  .optional();

/**
 * Checks that an application has either sources or an image.
 * @param needed fields without which nothing can be built
 * @param optional further fields that only a build reads
 */
function sourcesOrImage<T extends { image?: string | undefined }>(
  needed: readonly (keyof T & string)[],
  optional: readonly (keyof T & string)[],
): (value: T, context: z.core.$RefinementCtx<T>) => void {
  return (value, context) => {
    const wrong =
      value.image === undefined
        ? needed.filter((field) => value[field] === undefined)
        : [...needed, ...optional].filter((field) => value[field] !== undefined);
    const message =
      value.image === undefined
        ? "must be given, unless the application has an image"
        : "is part of the image, which is not built here; remove this field, or `image`";
    wrong.forEach((field) => {
      context.addIssue({ code: "custom", path: [field], message });
    });
  };
}

/** What a stack deploys. */
export const application = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({ kind: z.literal("reference"), image: imageReference }),
    z
      .strictObject({
        kind: z.literal("archon"),
        source: z.string().min(1).optional(),
        image: imageReference,
        python: pythonVersion,
        supabase: z.strictObject({ url, serviceKey: z.string() }),
        openaiBaseUrl: url.optional(),
        logLevel: z.enum(["DEBUG", "INFO", "WARNING", "ERROR"]).default("INFO"),
        smokeTest: z.boolean().default(true),
        keepModelLoaded: z.boolean().default(true),
        environment: packageNames,
        packages: packageRequirements,
        packagesUntil: z.iso
          .date("must be a day such as 2025-10-12; put it into quotes, because YAML has a type of its own for days")
          .optional(),
        roleImages: z.strictObject({ mcp: imageReference, agents: imageReference, ui: imageReference }).optional(),
      })
      .superRefine(sourcesOrImage(["source"], ["environment", "packages", "packagesUntil"]))
      .refine(({ image, roleImages }) => image !== undefined || roleImages === undefined, {
        path: ["roleImages"],
        error: "belongs to an application with an `image`: one release has one origin; remove this field, or `source`",
      }),
    z
      .strictObject({
        kind: z.literal("python"),
        source: z.string().min(1).optional(),
        image: imageReference,
        python: pythonVersion,
        files: pathBelow.optional(),
        requirements: z.array(pathBelow).min(1).optional(),
        command: z.array(z.string().min(1)).min(1).optional(),
        port: port.refine(
          (value) => value !== GATEWAY_TLS_PORT,
          `must be another port than ${GATEWAY_TLS_PORT}, on which the gateway of a service listens for TLS`,
        ),
        health: z
          .string()
          .regex(/^\/[\w./~-]*$/, "must be the path of a URL without a query, such as /health")
          .default("/health"),
        writable: z.array(ownDirectory).default([]),
        modelDirectory: ownDirectory.optional(),
        environment: packageNames,
        packages: packageRequirements,
        modules: moduleNames.optional(),
      })
      .superRefine(sourcesOrImage(["source", "command"], ["files", "requirements", "environment", "packages"])),
  ],
  {
    error:
      'must be { kind: "reference" }, { kind: "archon", source, supabase: { url, serviceKey } } or { kind: "python", source, command, port }, or with image in place of source and command',
  },
);
export type ApplicationConfig = z.infer<typeof application>;

/** The version of Python that an application runs on. */
export function pythonOf(config: ApplicationConfig): PythonVersion {
  return config.kind === "reference" ? DEFAULT_PYTHON : config.python;
}

/** What an application can do decides which values of other keys are allowed. */
export interface ApplicationRules {
  /** How releases name it; undefined for the reference server. */
  name?: string;
  /** The further roles that its services may have. @default none */
  roles?: Readonly<Partial<Record<FurtherRole, RoleRules>>>;
  variables: {
    /** Environment variables that no service may set. */
    reserved: readonly string[];
    /** Name of the variable for the API token; undefined if the application checks none. */
    token?: string;
  };
  image: {
    /** Whether it can be built here with a browser. */
    browser: boolean;
  };
  /** The addresses that the stack's network must be among, in CIDR notation. @default any */
  network?: string;
  /** Undefined if it cannot derive models. */
  commands?: object;
}

/** What a further role allows. */
interface RoleRules {
  variables: { reserved: readonly string[] };
  /** Why a second replica would break it, as the end of a sentence. @default replicas are allowed */
  soleReplica?: string;
}

/** Every key except {@link HUB_TOKEN}. */
export const schema = z.strictObject({
  application,
  root: absolutePath,
  dockerHost: z.union([z.literal(""), engineAddress]),
  baseImage: z.string().min(1),
  caBundle: z.union([z.enum(["auto", "none"]), absolutePath], { error: 'must be "auto", "none" or an absolute path' }),
  pythonIndex: z.union([z.literal(""), url], { error: "must be empty or an http or https URL" }),
  pythonExtraIndexes: z.array(url),
  accelerator: z.enum(["cuda", "cpu"]),
  torchIndex: z.union([z.literal(""), url], { error: "must be empty or an http or https URL" }),
  npmRegistry: z.union([z.literal(""), url], { error: "must be empty or an http or https URL" }),
  wheelhouse: z.union([z.literal(""), absolutePath], { error: "must be empty or an absolute path" }),
  browser: z.boolean(),
  requirements: z.string(),
  imports: moduleNames,
  hubEndpoint: url,
  hubMirrors: z.array(url),
  models: z.array(modelEntry),
  activeModel: z.string(),
  services: z.array(service).min(1),
  subnet: z
    .string()
    .refine(
      (text) => text === "" || isStackNetwork(text),
      "must be empty or a network of private IPv4 addresses of /8 to /28, such as 172.30.0.0/24",
    ),
  requireToken: z.boolean(),
  retain: z.int().min(2, "must be at least 2, so that there is a release to roll back to").max(50),
  release: z
    .string()
    .regex(/^([0-9a-f]{12})?$/, "must be empty or the id of a release, 12 hex digits; ./archon releases lists them"),
  rollout: z.enum(["overlap", "replace"]),
  autoRollback: z.boolean(),
  readyTimeout: z.int().min(10).max(3600),
});

/** The configuration of a stack, checked and with defaults. */
export type StackConfig = z.infer<typeof schema>;

/** Parses the value of a key as Pulumi passes it: text as it is, everything else as JSON. */
export function parseValue(key: string, text: string): unknown {
  const keySchema = schema.shape[key as keyof StackConfig] as z.ZodType | undefined;
  if (keySchema === undefined || keySchema.safeParse(text).success) {
    return text;
  }
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return text;
  }
}

/**
 * Checks the values of all keys, each by itself and against one another, and adds what is wrong to `problems`.
 * @param application what the stack deploys; undefined when that is not known
 * @returns undefined when a value by itself is not allowed
 */
export function parseStackConfig(
  raw: Record<string, unknown>,
  application: ApplicationRules | undefined,
  problems: Problem[],
): StackConfig | undefined {
  checkReserved(raw["services"], application, problems);
  const result = schema.safeParse(raw);
  if (result.success) {
    crossCheck(result.data, application, problems);
    if (application !== undefined) {
      checkAbilities(result.data, application, problems);
      checkRoles(result.data, application, problems);
    }
    return result.data;
  }
  problems.push(...result.error.issues.flatMap((issue) => problemsOf(issue, raw)));
  return undefined;
}

function problemsOf(issue: z.core.$ZodIssue, raw: Record<string, unknown>): Problem[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    const remedy =
      path.length === 0
        ? `the keys are ${[...Object.keys(schema.shape), HUB_TOKEN].join(", ")}`
        : "remove it or correct its spelling";
    return issue.keys.map((key) => ({ path: [...path, key], reason: `unknown key; ${remedy}` }));
  }
  const reason = issue.code === "invalid_key" ? issue.issues.map(({ message }) => message).join("; ") : issue.message;
  // The whole application, as a text that could not be read, may hold a secret too.
  const hidden = path.some(mayBeSecret) || (path.length === 1 && path[0] === "application");
  const received = hidden ? undefined : valueAt(raw, path);
  return [{ path, received, reason }];
}

/** The further roles that services name, read from the raw value of the key, each once. */
export function furtherRoles(services: unknown): FurtherRole[] {
  const named = z.array(z.object({ role: rawRole }).catch({ role: "server" })).catch([]);
  const roles = named.parse(services).map(({ role }) => role);
  return [...new Set(roles.filter((role) => role !== "server"))];
}

function checkRoles(
  { services }: StackConfig,
  { name: kind, roles = {} }: ApplicationRules,
  problems: Problem[],
): void {
  services.forEach(({ role, replicas, gpu }, index) => {
    if (role === "server") {
      return;
    }
    const rules = roles[role];
    if (gpu !== "none") {
      problems.push({
        path: ["services", index, "gpu"],
        received: gpu,
        reason: "no model runs in a service of this role; remove gpu",
      });
    }
    if (index === 0) {
      problems.push({
        path: ["services", index, "role"],
        received: role,
        reason: "must be server: a service of another role needs a server before it in the list",
      });
    }
    if (rules === undefined) {
      const known = ["server", ...Object.keys(roles)].join(", ");
      problems.push({
        path: ["services", index, "role"],
        received: role,
        reason: `is no role of the application ${kind ?? "reference"}, which has ${known}; remove this service`,
      });
    } else if (replicas > 1 && rules.soleReplica !== undefined) {
      problems.push({
        path: ["services", index, "replicas"],
        received: replicas,
        reason: `must be 1: ${rules.soleReplica}`,
      });
    }
  });
}

function checkAbilities(
  { browser, requireToken, models, subnet: addresses }: StackConfig,
  { image, variables, commands, network }: ApplicationRules,
  problems: Problem[],
): void {
  if (addresses !== "" && network !== undefined && !contains(network, addresses)) {
    problems.push({
      path: ["subnet"],
      received: addresses,
      reason: `must be within ${network}: to other addresses the application answers 403 where it gives secrets to its own services`,
    });
  }
  if (browser && !image.browser) {
    problems.push({
      path: ["browser"],
      received: browser,
      reason: "the image of this application is not built here with a browser; remove this key",
    });
  }
  if (requireToken && variables.token === undefined) {
    problems.push({
      path: ["requireToken"],
      received: requireToken,
      reason:
        "the application checks no token; remove this key, bind its services to loopback, and put a proxy that asks for a login in front of it",
    });
  }
  models.forEach((model, index) => {
    if (commands === undefined && "from" in model) {
      problems.push({
        path: ["models", index, "from"],
        received: model.from,
        reason: "the application derives no models; only the reference server does",
      });
    }
    if (commands === undefined && !("from" in model) && model.variant !== "auto") {
      problems.push({
        path: ["models", index, "variant"],
        received: model.variant,
        reason: "the application chooses the precision itself; remove this key",
      });
    }
  });
}

const variablesOnly = z
  .array(
    z
      .object({ role: rawRole, variables: z.record(z.string(), z.unknown()).catch({}) })
      .catch({ role: "server", variables: {} }),
  )
  .catch([]);

/** Reads the raw values, so that these problems are reported even when another key is wrong. */
function checkReserved(services: unknown, application: ApplicationRules | undefined, problems: Problem[]): void {
  variablesOnly.parse(services).forEach(({ role, variables }, index) => {
    const rules = role === "server" ? application : application?.roles?.[role];
    const reserved = rules?.variables.reserved ?? [];
    for (const variable of Object.keys(variables).filter((each) => reserved.includes(each))) {
      problems.push({
        path: ["services", index, "variables", variable],
        reason: "is set by the program; remove it",
      });
    }
  });
}

function crossCheck(
  { services, models, activeModel, requireToken, accelerator }: StackConfig,
  application: ApplicationRules | undefined,
  problems: Problem[],
): void {
  problems.push(
    ...duplicates("models", "name", models),
    ...duplicates("services", "name", services),
    ...duplicates("services", "port", services),
  );
  models.forEach((model, index) => {
    if ("from" in model && !models.some((other) => other.name === model.from && !("from" in other))) {
      problems.push({
        path: ["models", index, "from"],
        received: model.from,
        reason: "must be the name of another model that is not itself derived",
      });
    }
  });
  if (activeModel !== "" && !models.some((model) => model.name === activeModel)) {
    const known = models.map((model) => model.name).join(", ");
    problems.push({
      path: ["activeModel"],
      received: activeModel,
      reason: `must be the name of one of the models (${known === "" ? "none is configured" : known})`,
    });
  }
  const scoring = activeModel === "" ? models[0] : models.find((model) => model.name === activeModel);
  services.forEach((each, index) => {
    if (each.gpu === "nvidia" && accelerator === "cpu") {
      problems.push({
        path: ["services", index, "gpu"],
        received: each.gpu,
        reason: "needs torch with CUDA, and archon:accelerator is cpu; set that to cuda, or remove gpu",
      });
    }
    if (each.gpu === "nvidia" && scoring !== undefined && "from" in scoring) {
      problems.push({
        path: ["services", index, "gpu"],
        received: each.gpu,
        reason:
          `the active model ${scoring.name} has weights of 8 bits, which only processors compute with; ` +
          `make ${scoring.from} the active one, or remove gpu`,
      });
    }
    if (!requireToken && !isLoopback(each.bind)) {
      problems.push({
        path: ["services", index, "bind"],
        received: each.bind,
        reason:
          application !== undefined && application.variables.token === undefined
            ? "is reachable from other machines, and the application asks for no token; bind to 127.0.0.1, and put a proxy with a login in front of it"
            : "is reachable from other machines; also set requireToken: true, or bind to 127.0.0.1",
      });
    }
  });
}

/** Entries of a list whose value of a field an earlier entry has already. */
function duplicates<F extends string>(
  list: "models" | "services",
  field: F,
  entries: readonly Readonly<Record<F, unknown>>[],
): Problem[] {
  const noun = list.slice(0, -1);
  const values = entries.map((entry) => entry[field]);
  return values.flatMap((received, index) =>
    values.indexOf(received) === index
      ? []
      : [
          {
            path: [list, index, field],
            received,
            reason: `is already the ${field} of an earlier ${noun}; give each ${noun} its own ${field}`,
          },
        ],
  );
}

/** Whether only programs of the same machine reach an address. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

function valueAt(raw: unknown, parts: readonly PropertyKey[]): unknown {
  return parts.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part], raw);
}
