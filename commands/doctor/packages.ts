import { z } from "zod";
import { MOUNTS } from "../../applications/application";
import { archon } from "../../lib/command-line";
import { stackFlag } from "../lib/options";
import { ok, problem, type Finding } from "./finding";
import { runInside } from "../lib/probe";

const placesSchema = z.object({ userSite: z.string(), modules: z.record(z.string(), z.string().nullable()) });

export type Places = z.infer<typeof placesSchema>;

/** A running server of a service. */
export interface RunningServer {
  container: string;
  /** Name of the container. */
  name: string;
  service: string;
  dockerHost: string;
}

/** Whether the Python of a running server finds the packages of its environment. */
export async function checkPackages(
  stack: string,
  server: RunningServer,
  imports: readonly string[],
): Promise<Finding> {
  // Only of the package itself: to find a module in it, Python would have to import the package.
  const modules = [...new Set(imports.map((each) => each.replace(/\..*$/, "")))];
  const places = await runInside(server, { program: "doctor/probes/packages.py", args: modules, schema: placesSchema });
  return judgePlaces(stack, server, places);
}

export function judgePlaces(
  stack: string,
  { name, service }: Pick<RunningServer, "name" | "service">,
  { userSite, modules }: Places,
): Finding {
  const missing = Object.entries(modules).flatMap(([module, place]) => (place === null ? [module] : []));
  if (missing.length > 0) {
    return problem(
      "packages",
      `the service ${service} does not find ${missing.join(", ")}: its environment at ${MOUNTS.environment} is empty or incomplete`,
      `docker exec ${name} ls ${userSite}\n${archon(`verify --full --repair${stackFlag(stack)}`)}, then docker restart ${name}`,
    );
  }
  return ok("packages", `the service ${service} finds ${Object.keys(modules).join(", ")}`);
}
