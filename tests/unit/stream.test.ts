import { Readable, Writable } from "node:stream";
import { runStreaming } from "../../commands/lib/stream";

const megabytes = (count: number): Readable =>
  Readable.from(Array.from({ length: count }, (_, index) => Buffer.alloc(1_000_000, index)));

function collecting(): { stream: Writable; bytes: () => number } {
  let bytes = 0;
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      done();
    },
  });
  return { stream, bytes: () => bytes };
}

test("what goes in comes out, and what is for people comes line by line", async () => {
  const { stream, bytes } = collecting();
  const lines: string[] = [];
  await runStreaming("sh", ["-c", "cat; echo one >&2; echo two >&2"], {
    environment: process.env,
    from: megabytes(5),
    to: stream,
    onLine: (line) => lines.push(line),
  });
  expect([bytes(), lines, stream.writableEnded]).toEqual([5_000_000, ["one", "two"], false]);
});

test("without a place for its output that is for people too", async () => {
  const lines: string[] = [];
  await runStreaming("sh", ["-c", "echo out; cat"], { environment: process.env, onLine: (line) => lines.push(line) });
  expect(lines).toEqual(["out"]);
});

test("a child that ends early says why; the broken pipe adds nothing", async () => {
  const run = runStreaming("sh", ["-c", "echo why >&2; exit 3"], {
    environment: process.env,
    from: megabytes(20),
    onLine: () => undefined,
  });
  await expect(run).rejects.toThrow(/failed with exit code 3:\n {2}why/);
});

test("a missing program and a full disk are reported", async () => {
  await expect(
    runStreaming("no-such-program", [], { environment: process.env, onLine: () => undefined }),
  ).rejects.toThrow("could not be started");
  const full = new Writable({
    write: (_chunk, _encoding, done) => {
      done(new Error("ENOSPC: no space left on device"));
    },
  });
  await expect(
    runStreaming("sh", ["-c", "while :; do echo x; done"], {
      environment: process.env,
      to: full,
      onLine: () => undefined,
    }),
  ).rejects.toThrow("no space left");
});
