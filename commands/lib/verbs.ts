import type { Command } from "commander";

/**
 * A verb of the command line. Its file `commands/<name>.ts` defines its arguments and options, and is loaded only when
 * it is needed.
 */
export interface Verb {
  name: string;
  /** One line for the list of verbs. */
  summary: string;
  load: () => Promise<{ define: (command: Command) => void }>;
  /** The subcommand that runs when none is named. @default none */
  defaultSubcommand?: string;
}

/** Every verb, grouped as a person looks for it. */
export const groups: readonly { title: string; verbs: readonly Verb[] }[] = [
  {
    title: "Deploy:",
    verbs: [
      { name: "start", summary: "deploy the stack dev and ask it a question", load: () => import("../start") },
      { name: "preview", summary: "show what an update would change", load: () => import("../preview") },
      { name: "pulumi", summary: "run Pulumi itself: up, destroy, config, …", load: () => import("../pulumi") },
      { name: "env", summary: "print export lines, so that `pulumi` works in a shell", load: () => import("../env") },
    ],
  },
  {
    title: "Releases:",
    verbs: [
      { name: "releases", summary: "list the releases of a stack", load: () => import("../releases") },
      {
        name: "rollback",
        summary: "return to an earlier release, or forward again",
        load: () => import("../rollback"),
      },
      { name: "recover", summary: "clean up after an update that was killed", load: () => import("../recover") },
    ],
  },
  {
    title: "Store:",
    verbs: [
      { name: "verify", summary: "check the store for damage, and repair it", load: () => import("../verify") },
      { name: "prune", summary: "remove what no stack uses", load: () => import("../prune") },
      { name: "purge", summary: "remove a whole store", load: () => import("../purge") },
      { name: "bundle", summary: "move releases to a host without a network", load: () => import("../bundle") },
      {
        name: "models",
        summary: "list, pin and quantize models",
        load: () => import("../models"),
        defaultSubcommand: "list",
      },
      { name: "lock", summary: "resolve the Python requirements into lock files", load: () => import("../lock") },
    ],
  },
  {
    title: "Measure and develop:",
    verbs: [
      {
        name: "setup",
        summary: "install Docker, Pulumi and the base image where missing",
        load: () => import("../setup"),
      },
      {
        name: "bench",
        summary: "measure the store, downloads, relevance or a server",
        load: () => import("../bench"),
        defaultSubcommand: "store",
      },
      { name: "test", summary: "run the tests", load: () => import("../test") },
      {
        name: "test-soak",
        summary: "run what takes hours: killed jobs and updates, releases under load, more examples",
        load: () => import("../test-soak"),
      },
      { name: "docs", summary: "write docs/configuration.md from Pulumi.yaml", load: () => import("../docs") },
    ],
  },
];
