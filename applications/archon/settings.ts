import * as net from "node:net";
import type { Problem } from "../../config/problems";
import type { ArchonConfig } from "./application";

/**
 * The rules of Archon's settings that make its server end at start, or fail at the first request. They are Archon's own:
 * its server applies them too late for an update that should be refused.
 */
export function settingsProblems({
  supabase,
  openaiBaseUrl,
}: Pick<ArchonConfig, "supabase" | "openaiBaseUrl">): Problem[] {
  const url = urlReason(supabase.url);
  const key = keyReason(supabase.serviceKey);
  return [
    ...(openaiBaseUrl !== undefined && isLoopback(new URL(openaiBaseUrl).hostname)
      ? [{ path: ["application", "openaiBaseUrl"], received: openaiBaseUrl, reason: LOOPBACK_REASON }]
      : []),
    ...(url === undefined ? [] : [{ path: ["application", "supabase", "url"], received: supabase.url, reason: url }]),
    ...(key === undefined ? [] : [{ path: ["application", "supabase", "serviceKey"], reason: key }]),
  ];
}

function urlReason(text: string): string | undefined {
  const { protocol, hostname } = new URL(text);
  if (isLoopback(hostname)) {
    return LOOPBACK_REASON;
  }
  if (protocol === "https:" || hostname === "host.docker.internal" || isPrivate(hostname.replace(/^\[|\]$/g, ""))) {
    return undefined;
  }
  return "must begin with https://; Archon allows http:// only for host.docker.internal and for private IP addresses, not for names of containers";
}

const LOOPBACK_REASON = "is the container itself; name the Docker host as http://host.docker.internal:<port>";

function isLoopback(hostname: string): boolean {
  return /^(127\..*|\[::1\]|(.*\.)?localhost)$/.test(hostname);
}

/** The private networks of IPv4 and IPv6. */
const privateNetworks = new net.BlockList();
privateNetworks.addSubnet("10.0.0.0", 8);
privateNetworks.addSubnet("172.16.0.0", 12);
privateNetworks.addSubnet("192.168.0.0", 16);
privateNetworks.addSubnet("169.254.0.0", 16);
privateNetworks.addSubnet("fc00::", 7, "ipv6");
privateNetworks.addSubnet("fe80::", 10, "ipv6");

function isPrivate(host: string): boolean {
  const version = net.isIP(host);
  return version !== 0 && privateNetworks.check(host, version === 6 ? "ipv6" : "ipv4");
}

/** Nothing checks the signature but Supabase; Archon and its client library look at form and role. */
function keyReason(key: string): string | undefined {
  const [, payload, ...rest] = key.split(".");
  if (payload === undefined || rest.length !== 1) {
    return "must be a JSON Web Token of three parts, as Supabase shows it as the service_role key (Project Settings, API Keys, Legacy)";
  }
  const role = roleOf(payload);
  return role === undefined || role === "service_role"
    ? undefined
    : `is the key of the role ${role}, with which Archon does not start; take that of the role service_role`;
}

/** Undefined for a payload that cannot be read, which Archon accepts. */
function roleOf(payload: string): string | undefined {
  try {
    const { role } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as { role?: unknown };
    return typeof role === "string" ? role : "none";
  } catch {
    return undefined;
  }
}
