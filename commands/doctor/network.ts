import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import { z } from "zod";
import { torchIndexFor } from "../../config/accelerator";
import { environmentNotices, findCaBundle, isMachineEngine, readMachine, type StackHost } from "../../config/machine";
import { configuredModels, configuredValue, explicitValue, namedEngine, packageIndexes } from "../../config/stack";
import { archon } from "../../lib/command-line";
import { isLocal } from "../../lib/host";
import { containerProxies, proxyNotice } from "../../lib/proxies";
import { dockerEnvironment } from "../lib/docker";
import { stackFlag } from "../lib/options";
import { run } from "../lib/run";
import { splitBundle } from "../setup/certificates";
import { directoryExists, isMissingMount } from "../store/engine-usage";
import { ok, problem, skipped, warning, type Finding } from "./finding";
import { runProbe } from "../lib/probe";
import type { Subject } from "./subject";

/** Settings of this machine's environment that a stack does not use, and its proxies. */
export function checkEnvironment(
  { stack, host }: Pick<Subject, "stack" | "host">,
  environment: NodeJS.ProcessEnv = process.env,
): Finding[] {
  const loopback = proxyNotice(environment);
  const others = environmentNotices(stack, host.dockerHost, environment).filter((notice) => notice !== loopback);
  const names = Object.keys(containerProxies(environment));
  return [
    ...others.map((notice) => warning("environment", notice, "unset DOCKER_HOST")),
    loopback === undefined
      ? // Not their values: an address may hold a password.
        ok("proxies", names.length === 0 ? "none is set" : `downloads in containers use ${names.join(", ")}`)
      : warning(
          "proxies",
          loopback,
          "let the proxy listen on the address of Docker's bridge too, and name that address",
        ),
  ];
}

/** Whether the certificate authorities of a stack can be read and are valid. */
export function checkCertificates(
  { stack, host }: Pick<Subject, "stack" | "host">,
  environment: NodeJS.ProcessEnv = process.env,
): Finding {
  const found = findCaBundle(environment);
  const isOfMachine =
    configuredValue("caBundle", stack) === "auto" && isMachineEngine(namedEngine(stack), readMachine());
  if (isOfMachine && found !== host.caBundle) {
    return warning(
      "certificates",
      `this shell names ${found ?? "no authorities"}, the set-up found ${host.caBundle ?? "none"}, which is used`,
      archon(`setup${stackFlag(stack)}`),
    );
  }
  if (host.caBundle === undefined) {
    return ok("certificates", "containers trust the authorities of their images");
  }
  return isLocal(host.dockerHost)
    ? judgeBundle(stack, host.caBundle, new Date())
    : skipped("certificates", `${host.caBundle} is on another machine`);
}

function caRemedy(stack: string): string {
  return `correct the file, or name another one: ${configSet(stack, "archon:caBundle", "FILE")}`;
}

/** Whether a PEM file holds an authority that is valid at a time. */
export function judgeBundle(stack: string, file: string, now: Date): Finding {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    return problem("certificates", `${file} cannot be read: ${(error as Error).message}`, caRemedy(stack));
  }
  const valid = splitBundle(text).flatMap((pem) => {
    try {
      const certificate = new X509Certificate(pem);
      return new Date(certificate.validTo) > now ? [certificate] : [];
    } catch {
      return [];
    }
  });
  return valid.length === 0
    ? problem("certificates", `${file} holds no certificate authority that is valid today`, caRemedy(stack))
    : ok("certificates", `${file} holds ${valid.length} valid authorities`);
}

/** An address that updates download from. */
export interface Source {
  /** Such as `package index`. */
  kind: string;
  /** What to ask for; any answer of the server shows that it is there. */
  url: string;
  /** The path of the configuration that names it, such as `archon:hubMirrors[0]`. */
  key: string;
}

/** The addresses that a stack is configured to download from. */
export function sourcesOf(stack: string): Source[] {
  const indexes = packageIndexes(stack);
  const torchIndex = torchIndexFor(indexes);
  const fromWheels = (explicitValue("wheelhouse", stack) ?? "") !== "";
  const fromHub = configuredModels(stack).some(({ directory, from }) => directory === undefined && from === undefined);
  const index = (url: string, key: string): Source => ({
    kind: "package index",
    // The list of all packages has megabytes.
    url: `${url.replace(/\/$/, "")}/pip/`,
    key,
  });
  return [
    ...(fromWheels
      ? []
      : [
          index(indexes.pythonIndex || PYPI, "archon:pythonIndex"),
          ...indexes.pythonExtraIndexes.map((url, position) => index(url, `archon:pythonExtraIndexes[${position}]`)),
          ...(torchIndex === undefined ? [] : [index(torchIndex, "archon:torchIndex")]),
        ]),
    ...(fromHub
      ? [
          { kind: "hub", url: configuredValue("hubEndpoint", stack), key: "archon:hubEndpoint" },
          ...configuredValue("hubMirrors", stack).map((url, position) => ({
            kind: "hub",
            url,
            key: `archon:hubMirrors[${position}]`,
          })),
        ]
      : []),
  ];
}

/** Where uv and pip find packages unless they are told otherwise. */
const PYPI = "https://pypi.org/simple";

/** What `probes/sources.py` prints: an answer for each address, in their order. */
export const answersSchema = z.array(z.object({ status: z.number().optional(), error: z.string().optional() }));

export type Answer = z.infer<typeof answersSchema>[number];

/** Whether store jobs of a stack reach what they download from: asked from such a container. */
export async function checkSources({ stack, host }: Subject, image: string): Promise<Finding[]> {
  const wheelhouse = explicitValue("wheelhouse", stack) ?? "";
  const sources = sourcesOf(stack);
  const answers = await askSources(sources, host, image);
  if (answers === undefined) {
    return [
      problem("certificates", `${host.caBundle ?? ""} does not exist on the engine's host`, caRemedy(stack)),
      skipped("sources", "store jobs cannot start without the authorities that they trust"),
    ];
  }
  const wheels =
    wheelhouse === ""
      ? []
      : [
          (await directoryExists(wheelhouse, host.dockerHost))
            ? ok("sources", `packages come from the directory ${wheelhouse}`)
            : problem(
                "sources",
                `the directory of wheels ${wheelhouse} does not exist on the engine's host`,
                configSet(stack, "archon:wheelhouse", "DIRECTORY"),
              ),
        ];
  return [...wheels, ...judgeSources(stack, sources, answers)];
}

/** @returns undefined when the engine's host lacks the authorities */
async function askSources(
  sources: readonly Source[],
  { dockerHost, caBundle }: StackHost,
  image: string,
): Promise<Answer[] | undefined> {
  try {
    return await runProbe(
      { image, dockerHost },
      {
        program: "doctor/probes/sources.py",
        secrets: { ADDRESSES: JSON.stringify(sources.map(({ url }) => url)) },
        options: { network: true, inherited: Object.keys(containerProxies()), caBundle },
        schema: answersSchema,
      },
    );
  } catch (error) {
    if (isMissingMount(error)) {
      return undefined;
    }
    throw error;
  }
}

/** Statuses by which a proxy or a server says that this client may not ask. */
const REFUSED = [401, 403, 407];

/** @param answers in the order of the sources */
export function judgeSources(stack: string, sources: readonly Source[], answers: readonly Answer[]): Finding[] {
  return sources.map(({ kind, url, key }, position) => {
    const answer = answers[position];
    const { host } = new URL(url);
    const status = answer?.status ?? 0;
    if (answer?.error === undefined && status < 500 && !REFUSED.includes(status)) {
      return ok("sources", `the ${kind} ${host} answers`);
    }
    return warning(
      "sources",
      `the ${kind} ${host} (${key}) ${answer?.error === undefined ? `answers with ${status}` : `does not answer: ${answer.error}`}; ` +
        "what runs needs nothing from it, but an update that downloads will fail",
      `name one that answers: ${configSet(stack, key, "URL")}`,
    );
  });
}

/** The command that sets a key. Without `--path`, Pulumi takes an entry of a list for a key of that name. */
function configSet(stack: string, key: string, value: string): string {
  const set = key.endsWith("]") ? `--path '${key}'` : key;
  return archon(`pulumi config set ${set} ${value}${stackFlag(stack)}`);
}

/** A network of the engine and the largest packet that it carries, in bytes. */
export interface NetworkMtu {
  name: string;
  mtu: number;
}

/** What the engine gives a network that says nothing else. */
const DEFAULT_MTU = 1500;
const MTU_OPTION = "com.docker.network.driver.mtu";

/** @param names of networks that exist */
export async function networkMtus(dockerHost: string, names: readonly string[]): Promise<NetworkMtu[]> {
  const json = await run("docker", ["network", "inspect", ...names], { environment: dockerEnvironment(dockerHost) });
  return parseNetworkMtus(json);
}

const networksSchema = z.array(z.object({ Name: z.string(), Options: z.record(z.string(), z.string()).nullish() }));

export function parseNetworkMtus(json: string): NetworkMtu[] {
  return networksSchema
    .parse(JSON.parse(json))
    .map(({ Name, Options }) => ({ name: Name, mtu: Number(Options?.[MTU_OPTION] ?? DEFAULT_MTU) }));
}

/** @param uplink of the engine's host by its default route; null for a host without one */
export function judgeMtu(uplink: number | null, networks: readonly NetworkMtu[]): Finding {
  if (uplink === null) {
    return skipped("mtu", "the engine's host has no default route");
  }
  const larger = networks.filter(({ mtu }) => mtu > uplink);
  return larger.length === 0
    ? ok("mtu", `packets of ${uplink} bytes leave the engine's host, its networks send no larger ones`)
    : warning(
        "mtu",
        `packets of ${uplink} bytes leave the engine's host, but ${larger.map(({ name, mtu }) => `the network ${name} sends up to ${mtu}`).join(", ")}: downloads and answers may hang`,
        `in the engine's daemon.json: "mtu": ${uplink}, and "default-network-opts": {"bridge": {"${MTU_OPTION}": "${uplink}"}}; restart the engine, then destroy and update the stack`,
      );
}
