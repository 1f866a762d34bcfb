import { isLoopback, type StackConfig } from "./schema";

/** What a person must know about what crosses the network unencrypted. */
export function plainTextNotices({ services, requireToken }: Pick<StackConfig, "services" | "requireToken">): string[] {
  return services.flatMap(({ name, bind, tls }, index) =>
    requireToken && tls === undefined && !isLoopback(bind)
      ? [
          `The service ${name} listens on ${bind} in plain HTTP, so everybody on the way can read the API token. ` +
            `Give it a certificate (archon:services[${index}].tls), or bind it to 127.0.0.1 behind a proxy with TLS.`,
        ]
      : [],
  );
}

/**
 * Where the documents are after the store of a stack has moved: they are nothing that an update brings along.
 * @param previousRoot that of the last update; undefined before the first one
 */
export function movedStoreNotices(stack: string, root: string, previousRoot: string | undefined): string[] {
  return previousRoot === undefined || previousRoot === root
    ? []
    : [
        `archon:root was ${previousRoot} and is ${root} now. What the servers have stored is in ` +
          `${previousRoot}/data/${stack}, and the new servers have it only if you copied it: ` +
          '"Another disk" in docs/store.md says how.',
      ];
}
