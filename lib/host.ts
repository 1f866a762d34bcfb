/** The Docker host as every component sees it. */
export interface Host {
  /** Address of the engine, such as `unix:///var/run/docker.sock`. */
  dockerHost: string;
  /** The store's directory on the host. */
  root: string;
  /** PEM file on the host with the authorities to trust; undefined for the image's own. */
  caBundle: string | undefined;
}

/** Whether the engine at this address is on this machine, so that its files can be seen from here. */
export function isLocal(dockerHost: string): boolean {
  return dockerHost.startsWith("unix://");
}

/**
 * How to reach an address of the host's loopback from the deployer's machine; undefined where both are the same
 * machine, or the address is another one.
 * @param url where a service answers on the host, such as `http://127.0.0.1:8181`
 */
export function remoteAccess(dockerHost: string, url: string): string | undefined {
  if (isLocal(dockerHost) || !/^https?:\/\/(127\.|\[::1\])/.test(url)) {
    return undefined;
  }
  const address = url.replace(/^https?:\/\//, "");
  const port = address.slice(address.lastIndexOf(":") + 1);
  const [, login = "HOST", sshPort] = /^ssh:\/\/(.*?)(?::(\d+))?$/i.exec(dockerHost) ?? [];
  const tunnel = `ssh -N -L ${port}:${address} ${sshPort === undefined ? "" : `-p ${sshPort} `}${login}`;
  return `${url} is an address of the host of the engine ${dockerHost}, not of this machine. To use it from here: ${tunnel}`;
}
