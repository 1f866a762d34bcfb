import { execFile, spawnSync } from "node:child_process";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as path from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "../../lib/paths";

// The probe runs in the bootstrap image; here, with the Python of this machine, where it has one.
const withPython = spawnSync("python3", ["--version"]).status === 0 ? describe : describe.skip;

withPython("the probe that asks the sources", () => {
  /** The credentials that each request had, by its path. */
  const seen = new Map<string | undefined, string | undefined>();
  const server = http.createServer(({ url, headers }, response) => {
    seen.set(url, headers.authorization);
    if (url === "/broken") {
      response.socket?.end("no answer of HTTP\r\n\r\n");
    } else if (url === "/moved") {
      response.writeHead(302, { location: "/target" }).end();
    } else {
      response.writeHead(url === "/private" && headers.authorization === undefined ? 401 : 200).end();
    }
  });
  let address = "";
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  async function ask(...addresses: string[]): Promise<{ printed: string; answers: unknown }> {
    const program = path.join(projectRoot, "commands/doctor/probes/sources.py");
    const env = { ...process.env, no_proxy: "*", ADDRESSES: JSON.stringify(addresses) };
    const { stdout, stderr } = await promisify(execFile)("python3", [program], { env });
    return { printed: stdout + stderr, answers: JSON.parse(stdout) as unknown };
  }

  test("sends user and password as a header, and to no other address", async () => {
    const { printed, answers } = await ask(
      `http://me:p%40ss@${address}/private`,
      `http://${address}/private`,
      `http://me:p%40ss@${address}/moved`,
    );
    expect(answers).toEqual([{ status: 200 }, { status: 401 }, { status: 200 }]);
    expect(seen.get("/moved")).toBe(`Basic ${Buffer.from("me:p@ss").toString("base64")}`);
    expect(seen.get("/target")).toBeUndefined();
    expect(printed).not.toMatch(/p%40ss|p@ss/);
  });

  test("names what failed without the address", async () => {
    const { printed, answers } = await ask(
      `http://me:hidden@${address}/broken`,
      "http://me:hidden@127.0.0.1:hidden/",
      "http://me:hidden@127.0.0.1:1/",
      "hidden",
    );
    expect(answers).toEqual([
      { error: "BadStatusLine" },
      { error: "InvalidURL" },
      { error: expect.stringContaining("Connection refused") as string },
      { error: "ValueError" },
    ]);
    expect(printed).not.toContain("hidden");
  });
});
