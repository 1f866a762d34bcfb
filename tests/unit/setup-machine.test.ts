import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { missingCertificates, splitBundle } from "../../commands/setup/certificates";
import {
  environmentNotices,
  NOTICES_SHOWN,
  findCaBundle,
  hostOf,
  readMachine,
  recordedBaseImage,
  withBaseImage,
  writeMachine,
} from "../../config/machine";
import { DEBIANS } from "../../config/python";
import { remoteAccess } from "../../lib/host";
import { cacheDirectory } from "../../lib/paths";
import { atLeast } from "../../commands/lib/version";

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "machine-"));
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

describe("facts about the machine", () => {
  test("are none before the first set-up", () => {
    expect(readMachine(path.join(directory, "machine.json"))).toEqual({});
  });

  test("come back as they were written, without those that are not known", () => {
    const file = path.join(directory, "deep", "machine.json");
    const facts = { baseImage: "archon-base:1", dockerHost: "unix:///run/user/1/docker.sock" };
    writeMachine(facts, file);
    expect(readMachine(file)).toEqual(facts);
    expect(Object.keys(JSON.parse(fs.readFileSync(file, "utf8")) as object)).toEqual(["baseImage", "dockerHost"]);
  });

  test("have a base image for each version of Python, that of 3.11 where earlier commits look for it", () => {
    const file = path.join(directory, "machine.json");
    writeMachine(withBaseImage({ baseImage: "archon-base:1" }, "3.13", "archon-base:2"), file);
    const facts = { baseImage: "archon-base:1", baseImages: { "3.13": "archon-base:2" } };
    expect(JSON.parse(fs.readFileSync(file, "utf8"))).toEqual(facts);
    expect(recordedBaseImage(readMachine(file), "3.11")).toBe("archon-base:1");
    expect(recordedBaseImage(readMachine(file), "3.13")).toBe("archon-base:2");
    expect(withBaseImage(facts, "3.11", undefined).baseImage).toBeUndefined();
  });

  test("leave a file alone that says the same, and no half-written one beside it", () => {
    const file = path.join(directory, "machine.json");
    writeMachine({ caBundle: "/ca.pem" }, file);
    const inode = fs.statSync(file).ino;
    writeMachine({ caBundle: "/ca.pem" }, file);
    expect(fs.statSync(file).ino).toBe(inode);
    expect(fs.readdirSync(directory)).toEqual(["machine.json"]);
  });

  test.each(["", "[", "null", '"text"'])("that are no JSON object (%j) are an error with the remedy", (text) => {
    const file = path.join(directory, "machine.json");
    fs.writeFileSync(file, text);
    expect(() => readMachine(file)).toThrow(
      `${file} is not a JSON object. It holds only what the set-up found: remove it and run \`./archon setup\`.`,
    );
  });
});

describe("the host of a stack", () => {
  const auto = { dockerHost: "", baseImage: "auto", caBundle: "auto", python: "3.11" as const };
  const machine = {
    baseImage: "archon-base:1",
    caBundle: "/ca.pem",
    dockerHost: "unix:///run/user/1/docker.sock",
  };

  test.each([
    ["what the stack names", "ssh://me@prod", machine, "tcp://shell:2375", "ssh://me@prod"],
    ["else DOCKER_HOST", "", machine, "tcp://shell:2375", "tcp://shell:2375"],
    ["else what the set-up found", "", machine, undefined, "unix:///run/user/1/docker.sock"],
    ["else Docker's default", "", {}, "", "unix:///var/run/docker.sock"],
  ])("is %s", (_, dockerHost, facts, variable, expected) => {
    expect(hostOf({ ...auto, dockerHost }, facts, { DOCKER_HOST: variable }).dockerHost).toBe(expected);
  });

  test("has the machine's base image and authorities on the engine that the set-up found only", () => {
    const ours = { baseImage: "archon-base:1", caBundle: "/ca.pem" };
    expect(hostOf(auto, machine, {})).toMatchObject(ours);
    expect(hostOf({ ...auto, dockerHost: machine.dockerHost }, machine, {})).toMatchObject(ours);
    expect(hostOf({ ...auto, dockerHost: "ssh://me@prod" }, machine, { DOCKER_HOST: "ssh://me@prod" })).toEqual({
      dockerHost: "ssh://me@prod",
      baseImage: DEBIANS["3.11"].image,
      caBundle: undefined,
    });
    const chosen = { dockerHost: "ssh://me@prod", baseImage: "mine:1", caBundle: "/etc/ca.pem" };
    expect(hostOf({ ...auto, ...chosen }, machine, {})).toEqual(chosen);
  });

  test("is named to a person whose DOCKER_HOST is another", () => {
    expect(environmentNotices("prod", "ssh://me@prod", { DOCKER_HOST: "unix:///x.sock" })).toEqual([
      "DOCKER_HOST is unix:///x.sock, but archon:dockerHost of the stack prod is ssh://me@prod, which is used. " +
        "Unset DOCKER_HOST, or set it to that address; to move the stack to the other engine, change the key.",
    ]);
    expect(environmentNotices("prod", "ssh://me@prod", { DOCKER_HOST: "ssh://me@prod" })).toEqual([]);
    expect(environmentNotices("prod", "ssh://me@prod", {})).toEqual([]);
  });

  test("is named once: by the command, and not again by the program that it starts", () => {
    const environment = { DOCKER_HOST: "unix:///x.sock", HTTPS_PROXY: "http://127.0.0.1:3128" };
    expect(environmentNotices("prod", "ssh://me@prod", environment)).toHaveLength(2);
    expect(environmentNotices("prod", "ssh://me@prod", { ...environment, [NOTICES_SHOWN]: "true" })).toEqual([]);
  });
});

test("what answers on the loopback of another machine is reached through a tunnel", () => {
  expect(remoteAccess("ssh://me@prod:2222", "http://127.0.0.1:80")).toBe(
    "http://127.0.0.1:80 is an address of the host of the engine ssh://me@prod:2222, not of this machine. " +
      "To use it from here: ssh -N -L 80:127.0.0.1:80 -p 2222 me@prod",
  );
  expect(remoteAccess("tcp://prod:2376", "http://[::1]:8181")).toContain("ssh -N -L 8181:[::1]:8181 HOST");
  expect(remoteAccess("unix:///var/run/docker.sock", "http://127.0.0.1:80")).toBeUndefined();
  expect(remoteAccess("ssh://me@prod", "http://10.0.0.5:8181")).toBeUndefined();
});

describe("the bundle of certificate authorities", () => {
  test("is the first readable file that the environment names", () => {
    const file = path.join(directory, "ca.pem");
    fs.writeFileSync(file, "");
    expect(findCaBundle({ SSL_CERT_FILE: path.join(directory, "absent.pem"), NODE_EXTRA_CA_CERTS: file })).toBe(file);
    expect(findCaBundle({ SSL_CERT_FILE: directory })).toBeUndefined();
    expect(findCaBundle({ REQUESTS_CA_BUNDLE: "relative.pem" })).toBeUndefined();
    expect(findCaBundle({})).toBeUndefined();
  });

  test("adds only what a system does not trust yet, each certificate once", () => {
    const pem = (body: string): string => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`;
    const known = `# Mozilla\n${pem("AAAA\nBBBB")}\n`;
    const bundle = `${pem("AAAABBBB")}\nPrivate authority\n${pem("CCCC")}\n${pem("CC\nCC")}\n`;
    expect(splitBundle(bundle)).toHaveLength(3);
    expect(missingCertificates(bundle, known)).toEqual([pem("CCCC")]);
    expect(missingCertificates("no certificates", known)).toEqual([]);
  });
});

describe("the cache directory", () => {
  test.each([
    [{ ARCHON_CACHE: "/big/cache", XDG_CACHE_HOME: "/xdg", HOME: "/home/me" }, "/big/cache"],
    [{ XDG_CACHE_HOME: "/xdg", HOME: "/home/me" }, "/xdg/archon-pulumi"],
    [{ XDG_CACHE_HOME: "relative", HOME: "/home/me" }, "/home/me/.cache/archon-pulumi"],
    [{ HOME: "/home/me" }, "/home/me/.cache/archon-pulumi"],
  ])("of %j is %s", (environment, expected) => {
    expect(cacheDirectory(environment)).toBe(expected);
  });
});

describe("versions", () => {
  test.each([
    ["20.10.24+dfsg1", "20.10.0", true],
    ["20.10", "20.10.0", true],
    ["v3.259.0", "3.208.0", true],
    ["28.2.2", "20.10.0", true],
    ["20.9.99", "20.10.0", false],
    ["19.03.15", "20.10.0", false],
    ["", "1", false],
  ])("%j is at least %s: %s", (version, minimum, expected) => {
    expect(atLeast(version, minimum)).toBe(expected);
  });
});
