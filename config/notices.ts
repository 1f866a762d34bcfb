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
