import * as net from "node:net";

/** IPv4 addresses that begin with the same bits, such as 172.30.0.0/24. */
interface Network {
  /** Its first address, as a number of 32 bits. */
  first: number;
  /** How many bits its addresses begin with. */
  prefix: number;
}

/** The private networks of IPv4 (RFC 1918). */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** Whether a text is a private network that has room for a gateway, and for the servers of two releases. */
export function isStackNetwork(text: string): boolean {
  const network = parse(text);
  return network !== undefined && network.prefix <= 28 && PRIVATE.some((each) => contains(each, text));
}

/** Whether all addresses of one network are among those of another, both in CIDR notation. */
export function contains(outer: string, inner: string): boolean {
  const [one, other] = [parse(outer), parse(inner)];
  return (
    one !== undefined &&
    other !== undefined &&
    other.prefix >= one.prefix &&
    other.first >= one.first &&
    other.first < one.first + size(one.prefix)
  );
}

/** Undefined also for an address inside a network, such as 172.30.0.1/24: the engine refuses it. */
function parse(text: string): Network | undefined {
  const [, address = "", digits = ""] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const prefix = Number(digits);
  if (!net.isIPv4(address) || prefix > 32) {
    return undefined;
  }
  const first = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return first % size(prefix) === 0 ? { first, prefix } : undefined;
}

/** How many addresses a network has. */
function size(prefix: number): number {
  return 2 ** (32 - prefix);
}
