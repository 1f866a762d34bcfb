import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { command, prepareCommands } from "../support/commands";
import { Checkout, type EngineStack } from "../support/engine";
import { writeLocks } from "../support/locks";

/** The application `python`: somebody's own server, on the newer Python, with a compiled package. */
jest.setTimeout(900_000);

const checkout = new Checkout();
afterAll(() => {
  checkout.remove();
});

/** Answers with what it imports from where: packaging is in its image, wrapt is compiled and in its environment. */
const server = `
import http.server, json, os, sys
import packaging, wrapt, wrapt._wrappers

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"python": sys.version.split()[0], "packaging": packaging.__file__, "wrapt": wrapt.__file__}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

http.server.HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`;

let stack: EngineStack;

beforeAll(async () => {
  const name = `test-${crypto.randomBytes(4).toString("hex")}`;
  const source = path.join(checkout.directory, "service");
  fs.mkdirSync(source);
  fs.writeFileSync(path.join(source, "main.py"), server);
  fs.writeFileSync(path.join(source, "requirements.txt"), "packaging\nwrapt\n");
  const application = {
    kind: "python",
    source,
    python: "3.13",
    command: ["python3", "main.py"],
    port: 9000,
    environment: ["wrapt"],
  };
  // The configuration names the lock file of its environment: that of the sources has the ML packages, which take minutes.
  writeLocks(checkout, name, application, { image: path.resolve("tests/support/locks/image.txt") });
  const requirements = "tests/support/locks/python3.13.txt";
  stack = await checkout.stack({ application, requirements, imports: ["wrapt"] }, name);
  prepareCommands(checkout);
});

test("is set up with a base image that has it", () => {
  const { code, output } = command(checkout, "setup", "--stack", stack.name);

  expect({ code, output }).toMatchObject({ code: 0 });
});

test("runs on it, with the environment mounted", async () => {
  await stack.up();

  const answer = (await (await fetch(`${await stack.url()}/health`)).json()) as Record<string, string>;
  expect(answer["python"]).toMatch(/^3\.13\./);
  expect(answer["packaging"]).not.toContain("/root/.local/");
  expect(answer["wrapt"]).toMatch(/^\/root\/\.local\/lib\/python3\.13\/site-packages\//);
  expect(await stack.up()).toEqual([]);
});

test("keeps running when a lock file for another Python is refused", async () => {
  const before = stack.containers("server");
  stack.configure({ application: { ...(stack.configuration["application"] as object), python: "3.11" } });

  expect(await stack.failingUp()).toContain("is locked for cp313, the server runs cp311");
  expect(stack.containers("server")).toEqual(before);
  expect((await fetch(`${await stack.url()}/health`)).status).toBe(200);
});
