import type { Command } from "commander";

/**
 * A command of `./archon`. Its file `commands/<name>.ts` defines its arguments and options, and is loaded only when it
 * is needed.
 */
export interface CommandEntry {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  load: () => Promise<{ define: (command: Command) => void }>;
  /** The subcommand that runs when none is named. @default none */
  defaultSubcommand?: string;
}

/** Every command, in the groups of `./archon --help`. */
export const groups: readonly { title: string; commands: readonly CommandEntry[] }[] = [
  {
    title: "Deploy:",
    commands: [
      { name: "start", summary: "deploy the stack dev and ask it a question", load: () => import("../start") },
      { name: "preview", summary: "show what an update would change", load: () => import("../preview") },
      { name: "pulumi", summary: "run Pulumi itself: up, destroy, config, …", load: () => import("../pulumi") },
      {
        name: "migrate",
        summary: "write the configuration for a checkout whose ML environment is mounted by hand",
        load: () => import("../migrate"),
      },
      { name: "env", summary: "print export lines, so that `pulumi` works in a shell", load: () => import("../env") },
    ],
  },
  {
    title: "Releases:",
    commands: [
      { name: "releases", summary: "list the releases of a stack", load: () => import("../releases") },
      {
        name: "rollback",
        summary: "return to an earlier release, or forward again",
        load: () => import("../rollback"),
      },
      { name: "recover", summary: "clean up after an update that was killed", load: () => import("../recover") },
      { name: "doctor", summary: "find what is wrong, and the command that fixes it", load: () => import("../doctor") },
      {
        name: "state",
        summary: "show, back up, restore or move Pulumi's state of this checkout",
        load: () => import("../state"),
        defaultSubcommand: "show",
      },
    ],
  },
  {
    title: "Store:",
    commands: [
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
    commands: [
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
      {
        name: "report",
        summary: "show what a stack takes, saves and shares, and how long its changes took",
        load: () => import("../report"),
      },
      { name: "test", summary: "run the tests", load: () => import("../test") },
      {
        name: "test-soak",
        summary: "run what takes hours: killed jobs and updates, releases under load, more examples",
        load: () => import("../test-soak"),
      },
      {
        name: "test-engines",
        summary: "run the deployment tests on a newer Docker engine, also with an administrator's settings",
        load: () => import("../test-engines"),
      },
      { name: "docs", summary: "write docs/configuration.md from Pulumi.yaml", load: () => import("../docs") },
    ],
  },
];
