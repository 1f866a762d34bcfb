import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import {
  debianMirror,
  hasApt,
  parseDeb822Sources,
  parseOsRelease,
  parseSourcesList,
  readAptSources,
} from "../../commands/setup/apt";

// Reads files as apt and systemd write them. Does not prove that apt-get installs anything.

const debian = parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n');
const ubuntu = parseOsRelease("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n");

describe("os-release", () => {
  test("is read with and without quotes", () => {
    expect(debian).toEqual({
      id: "debian",
      idLike: [],
      codename: "bookworm",
      prettyName: "Debian GNU/Linux 12 (bookworm)",
    });
    expect(parseOsRelease("ID='mint'\nID_LIKE=\"ubuntu debian\"").idLike).toEqual(["ubuntu", "debian"]);
  });

  test("of an empty file says nothing about a distribution", () => {
    expect(parseOsRelease("")).toEqual({ id: "linux", idLike: [], codename: undefined, prettyName: process.platform });
  });

  test.each([
    ["debian", "", true],
    ["ubuntu", "debian", true],
    ["linuxmint", "ubuntu debian", true],
    ["fedora", "", false],
    ["rocky", "rhel centos fedora", false],
  ])("ID=%s ID_LIKE=%s has apt: %s", (id, like, expected) => {
    expect(hasApt(parseOsRelease(`ID=${id}\nID_LIKE="${like}"`))).toBe(expected);
  });
});

describe("the one-line format", () => {
  test("knows options, comments and source packages", () => {
    const text = `
# deb http://commented.example bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main contrib # ours
deb-src http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb http://flat.example/repo ./
`;
    expect(parseSourcesList(text)).toEqual([
      { uri: "http://mirror.example/debian", suite: "bookworm", components: ["main", "contrib"] },
      { uri: "http://mirror.example/debian-security", suite: "bookworm-security", components: ["main"] },
      { uri: "http://flat.example/repo", suite: "./", components: [] },
    ]);
  });
});

describe("the deb822 format", () => {
  test("knows stanzas, several values, continuation lines and comments between fields", () => {
    const text = `Types: deb deb-src
# http://snapshot.example/archive
URIs: http://a.example/debian
 http://b.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 URIs: http://not-a-field.example
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb-src
URIs: http://source.example
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example
Suites: bookworm
Components: main
`;
    expect(parseDeb822Sources(text)).toEqual([
      { uri: "http://a.example/debian", suite: "bookworm", components: ["main"] },
      { uri: "http://a.example/debian", suite: "bookworm-updates", components: ["main"] },
      { uri: "http://b.example/debian", suite: "bookworm", components: ["main"] },
      { uri: "http://b.example/debian", suite: "bookworm-updates", components: ["main"] },
    ]);
  });
});

test("both formats are found in apt's directory", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "apt-"));
  try {
    expect(readAptSources(directory)).toEqual([]);
    fs.mkdirSync(path.join(directory, "sources.list.d"));
    fs.writeFileSync(path.join(directory, "sources.list"), "deb http://one.example bookworm main\n");
    fs.writeFileSync(
      path.join(directory, "sources.list.d", "b.sources"),
      "Types: deb\nURIs: http://two.example\nSuites: bookworm\nComponents: main\n",
    );
    fs.writeFileSync(path.join(directory, "sources.list.d", "c.list.save"), "deb http://saved.example bookworm main\n");
    expect(readAptSources(directory).map(({ uri }) => uri)).toEqual(["http://one.example", "http://two.example"]);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

describe("Debian's mirror", () => {
  const main = { uri: "http://mirror.example/debian", suite: "bookworm", components: ["main"] };

  test("is the first source of the main archive", () => {
    const sources = [
      { uri: "http://vendor.example/apt", suite: "cloud-sdk-bookworm", components: ["main"] },
      { uri: "http://node.example", suite: "nodistro", components: ["main"] },
      { uri: "http://mirror.example/debian-security", suite: "bookworm-security", components: ["main"] },
      { uri: "http://contrib.example", suite: "bookworm", components: ["contrib"] },
      main,
    ];
    expect(debianMirror(sources, debian)).toBe(main.uri);
  });

  test("may be given for a class of release instead of its name", () => {
    expect(debianMirror([{ ...main, suite: "stable" }], debian)).toBe(main.uri);
  });

  test("is left to debootstrap on other distributions and for protocols that it does not speak", () => {
    expect(debianMirror([{ ...main, suite: "noble" }], ubuntu)).toBeUndefined();
    expect(debianMirror([{ ...main, uri: "mirror+file:/etc/apt/mirrors" }], debian)).toBeUndefined();
  });
});
