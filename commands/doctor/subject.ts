import type { StackHost } from "../../config/machine";

/** The stack that is looked at, and where it runs. */
export interface Subject {
  stack: string;
  host: StackHost;
  /** The store on the engine's host: that of the running release, otherwise the configured one. */
  root: string;
}
