/** Docker predefines build arguments of these names, and keeps them out of layers and history. */
export const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/** An address of the loopback, with or without a scheme and credentials. */
const LOOPBACK = /^([a-z0-9+]+:\/\/)?([^@/]*@)?(127\.|localhost([:/]|$)|\[::1\])/i;

/**
 * The deployer's proxies as a container can use them: without those on this machine's loopback, because a container has
 * a loopback of its own. An address may hold a password.
 */
export function containerProxies(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const proxies = PROXY_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value === undefined || value === "" || isLoopbackProxy(name, value) ? [] : [[name, value] as const];
  });
  return Object.fromEntries(proxies);
}

/** What to tell a person whose proxy containers cannot reach; undefined where they can, or where there is none. */
export function proxyNotice(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const names = PROXY_VARIABLES.filter((name) => isLoopbackProxy(name, environment[name] ?? ""));
  return names.length === 0
    ? undefined
    : `${names.join(", ")}: the proxy is on this machine's loopback, where containers cannot reach it, ` +
        "so builds and store jobs do not use it. " +
        "If they need it, let it listen on the address of Docker's bridge too (often 172.17.0.1), and name that address.";
}

/** The list of exceptions may name the loopback. */
function isLoopbackProxy(name: string, value: string): boolean {
  return name.toUpperCase() !== "NO_PROXY" && LOOPBACK.test(value);
}
