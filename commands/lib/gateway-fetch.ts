import { X509Certificate } from "node:crypto";
import * as https from "node:https";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import { project } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { engineEnvironment } from "./docker";
import { run } from "./run";

/** Sends a request, as the global `fetch` does. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/**
 * How commands ask a service through its gateway. Its certificate is for the name that people use, and may be signed by
 * nobody, but commands ask at an address. So they read it in the gateway's container, which the engine is trusted for, and
 * talk only to who serves that one.
 *
 * @param url where the service answers
 * @throws UserError when no gateway of the stack publishes that port
 */
export async function gatewayFetch(stack: string, url: string): Promise<Fetch> {
  const { protocol, port } = new URL(url);
  return protocol === "https:" ? pinnedFetch(await readCertificate(stack, port || "443")) : fetch;
}

async function readCertificate(stack: string, port: string): Promise<string> {
  const environment = engineEnvironment(stack);
  const labels = { "io.archon.project": project, "io.archon.stack": stack, "io.archon.component": "gateway" };
  const filters = Object.entries(labels).map(([name, value]) => `--filter=label=${name}=${value}`);
  const ids = await run("docker", ["ps", "--quiet", `--filter=publish=${port}`, ...filters], { environment });
  const [id = ""] = ids.split("\n");
  if (id === "") {
    throw new UserError(`No gateway of the stack ${stack} publishes port ${port}.`);
  }
  return run("docker", ["exec", id, "sh", "-c", 'cat "$ARCHON_TLS"'], { environment });
}

/** Talks only to a server with this certificate, for whatever name and by whomever it is signed. */
export function pinnedFetch(certificate: string): Fetch {
  const { fingerprint256 } = new X509Certificate(certificate);
  return async (url, init) => {
    const request = new Request(url, init);
    return send(request, Buffer.from(await request.arrayBuffer()), fingerprint256);
  };
}

function send(request: Request, body: Buffer, fingerprint: string): Promise<Response> {
  const { hostname, port } = new URL(request.url);
  const options = {
    method: request.method,
    headers: Object.fromEntries(request.headers),
    signal: request.signal,
    createConnection: (_: unknown, done: (error: Error | null, socket: Duplex) => void) => {
      connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 443) }, fingerprint, done);
      return undefined;
    },
  };
  return new Promise((resolve, reject) => {
    const outgoing = https.request(request.url, options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.once("error", reject);
      incoming.once("end", () => {
        const status = incoming.statusCode ?? 0;
        resolve(new Response([204, 304].includes(status) ? null : Buffer.concat(chunks), { status }));
      });
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** The request is sent only once the certificate has been compared: it may hold a token. */
function connect(
  address: { host: string; port: number },
  fingerprint: string,
  done: (error: Error | null, socket: Duplex) => void,
): void {
  const socket = tls.connect({ ...address, rejectUnauthorized: false });
  socket.once("error", (error: Error) => {
    done(error, socket);
  });
  socket.once("secureConnect", () => {
    if (socket.getPeerX509Certificate()?.fingerprint256 === fingerprint) {
      done(null, socket);
    } else {
      socket.destroy(new Error("another certificate is served than that of the gateway"));
    }
  });
}
