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
