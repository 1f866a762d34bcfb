import { spawn } from "node:child_process";
import { once } from "node:events";

test("a program whose output nobody reads any more ends, whatever handles its errors", async () => {
  const program = `
    require("./lib/broken-output.cjs");
    process.on("uncaughtException", (error) => console.error(error));
    setInterval(() => console.log("x".repeat(1000)), 1);
  `;
  const child = spawn(process.execPath, ["-e", program], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 10_000,
    killSignal: "SIGKILL",
  });
  const ended = once(child, "exit");
  child.stdout.destroy();
  child.stderr.destroy();

  const [code] = (await ended) as [number | null];

  expect(code).toBe(1);
});
