import * as http from "node:http";

/** One request that did not get the answer it should have. */
export interface Loss {
  what: "search" | "upload";
  reason: string;
}

export interface LoadReport {
  searches: number;
  uploads: number;
  /** Repeated requests, after a 429 with Retry-After. */
  retries: number;
  seconds: number;
  lost: Loss[];
}

/** A document, and a question whose answer every release must find in it. */
const KNOWN = {
  name: "known.md",
  text: "# Lighthouses\n\nThe keeper of the lighthouse trims the lamp at dusk.\n",
  question: "When does the keeper trim the lamp?",
  answer: "trims the lamp at dusk",
};

/**
 * Requests that may wait for an answer at the same time. Without a limit a machine that is too slow for the rate gathers
 * thousands of connections. Docker's proxy for published ports then runs out of file descriptors, and closes the port.
 */
const MOST_PENDING = 100;

/**
 * A client that sends requests at a fixed rate while something else changes the servers: searches whose answer it knows,
 * and uploads, each of which must be accepted and then stored. It retries a request when a busy server asks for that
 * (429), and sends fewer where the server cannot keep up. Every request has its own connection, so that no failure is
 * hidden by a connection of another one.
 */
export class Load {
  private readonly report: LoadReport = { searches: 0, uploads: 0, retries: 0, seconds: 0, lost: [] };
  private readonly accepted: string[] = [];
  private stopping = false;
  private running: Promise<unknown> = Promise.resolve();
  private started = 0;

  /** @param url of the gateway */
  constructor(
    private readonly url: string,
    private readonly requestsPerSecond: number,
  ) {}

  /** What was lost until now. */
  get lost(): readonly Loss[] {
    return this.report.lost;
  }

  /** Uploads the known document and begins. */
  async start(): Promise<void> {
    await this.upload(KNOWN.name, KNOWN.text);
    await this.waitUntilStored();
    this.started = performance.now();
    this.running = this.run();
  }

  /** Stops sending. Must be called after a failed test too, or the client never ends. */
  end(): void {
    this.stopping = true;
  }

  /** Stops sending, and checks that every upload is stored. */
  async stop(): Promise<LoadReport> {
    this.end();
    await this.running;
    this.report.seconds = (performance.now() - this.started) / 1000;
    await this.waitUntilStored();
    return this.report;
  }

  private async run(): Promise<void> {
    const pending = new Set<Promise<void>>();
    for (let count = 0; !this.stopping; count++) {
      const request =
        count % 20 === 0
          ? this.upload(`note-${count}.md`, `# Note ${count}\n\nNote number ${count} of a busy day.\n`)
          : this.search();
      pending.add(request);
      void request.finally(() => pending.delete(request));
      if (pending.size >= MOST_PENDING) {
        await Promise.race(pending);
      }
      const due = this.started + (count * 1000) / this.requestsPerSecond;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    }
    await Promise.all(pending);
  }

  private async search(): Promise<void> {
    this.report.searches += 1;
    await this.record("search", async () => {
      const { status, body } = await this.requestWithRetry(
        "POST",
        "/api/rag/query",
        "application/json",
        JSON.stringify({ query: KNOWN.question, match_count: 3 }),
      );
      const { results = [] } = JSON.parse(body) as { results?: { content: string }[] };
      if (status !== 200 || !results.some(({ content }) => content.includes(KNOWN.answer)) || results.length > 3) {
        throw new Error(`${status}: ${body.slice(0, 300)}`);
      }
    });
  }

  private async upload(name: string, text: string): Promise<void> {
    this.report.uploads += 1;
    await this.record("upload", async () => {
      const boundary = "archon-load-boundary";
      const form = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: text/markdown\r\n\r\n${text}\r\n--${boundary}--\r\n`;
      const { status, body } = await this.requestWithRetry(
        "POST",
        "/api/documents/upload",
        `multipart/form-data; boundary=${boundary}`,
        form,
      );
      if (status !== 200) {
        throw new Error(`${status}: ${body.slice(0, 300)}`);
      }
      this.accepted.push(name);
    });
  }

  /** Waits up to 30 s until every accepted upload is among the documents. One that is not counts as lost. */
  private async waitUntilStored(): Promise<void> {
    let missing = this.accepted;
    for (let tries = 0; missing.length > 0 && tries < 300; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const known = new Set(await this.documents());
      missing = missing.filter((name) => !known.has(name));
    }
    this.report.lost.push(
      ...missing.map((name): Loss => ({
        what: "upload",
        reason: `${name} was accepted and is not among the documents`,
      })),
    );
  }

  private async documents(): Promise<string[]> {
    const names: string[] = [];
    for (let page = 1; ; page++) {
      const { body } = await this.request("GET", `/api/knowledge-items?page=${page}&per_page=100`);
      const { items, pages } = JSON.parse(body) as { items: { metadata: { file_name: string } }[]; pages: number };
      names.push(...items.map(({ metadata }) => metadata.file_name));
      if (page >= pages) {
        return names;
      }
    }
  }

  private async record(what: Loss["what"], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.report.lost.push({ what, reason: `${new Date().toISOString()} ${String(error)}` });
    }
  }

  /** Sends a request, and repeats it as long as the server answers 429. */
  private async requestWithRetry(
    method: string,
    route: string,
    type: string,
    body: string,
  ): Promise<{ status: number; body: string }> {
    for (;;) {
      const reply = await this.request(method, route, type, body);
      if (reply.status !== 429) {
        return reply;
      }
      this.report.retries += 1;
      await new Promise((resolve) => setTimeout(resolve, reply.retryAfter * 1000));
    }
  }

  private request(
    method: string,
    route: string,
    type?: string,
    body?: string,
  ): Promise<{ status: number; body: string; retryAfter: number }> {
    return new Promise((resolve, reject) => {
      const request = http.request(
        `${this.url}${route}`,
        {
          method,
          agent: false,
          timeout: 60_000,
          headers: body === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(body) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => {
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).toString("utf8"),
              retryAfter: Number(response.headers["retry-after"] ?? 1),
            });
          });
          response.on("error", reject);
        },
      );
      request.on("timeout", () => request.destroy(new Error("no answer within 60 s")));
      request.on("error", reject);
      request.end(body);
    });
  }
}
