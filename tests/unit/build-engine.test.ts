import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { checkBuildEngine } from "../../components/build-engine";

/** A Docker client that only says which engine it was sent to. That images are built there, the engine suite proves. */
const client = `#!/bin/sh
case "$DOCKER_HOST" in
  ssh://me@prod | tcp://prod:2376) echo PROD ;;
  "") echo HERE ;;
  *) echo "Cannot connect to $DOCKER_HOST" >&2; exit 1 ;;
esac
`;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-client-"));
const { PATH: searchPath, DOCKER_HOST: dockerHost } = process.env;
beforeAll(() => {
  fs.writeFileSync(path.join(directory, "docker"), client, { mode: 0o755 });
  process.env["PATH"] = `${directory}${path.delimiter}${searchPath ?? ""}`;
});
beforeEach(() => {
  delete process.env["DOCKER_HOST"];
});
afterAll(() => {
  process.env["PATH"] = searchPath;
  if (dockerHost !== undefined) {
    process.env["DOCKER_HOST"] = dockerHost;
  }
  fs.rmSync(directory, { recursive: true });
});

function check(): void {
  checkBuildEngine("prod", "ssh://me@prod");
}

test("images are built where DOCKER_HOST has the address of the stack's engine, or another one of the same engine", () => {
  for (const address of ["ssh://me@prod", "tcp://prod:2376"]) {
    process.env["DOCKER_HOST"] = address;
    expect(check).not.toThrow();
  }
});

test("another engine is refused, with both ways to build on the right one", () => {
  expect(check).toThrow(
    "builds on the engine of your current Docker context, which is not the engine of this stack, ssh://me@prod\n" +
      "Nothing was changed. Run `./archon pulumi up --stack prod`, which builds on the stack's engine, or set DOCKER_HOST=ssh://me@prod for Pulumi.",
  );
});

test("an engine that does not answer is refused with its reason", () => {
  process.env["DOCKER_HOST"] = "unix:///gone.sock";
  expect(check).toThrow(
    "the engine of DOCKER_HOST, unix:///gone.sock, which does not answer: Cannot connect to unix:///gone.sock",
  );
});
