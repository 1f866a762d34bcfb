import * as pulumi from "@pulumi/pulumi";

/**
 * An error of which Pulumi prints the message alone. It has no stack: Pulumi formats the stack of every error, also
 * where it does not print it, and on stack lines of Pulumi's own files `util.inspect` of Node.js 20.20 only ends when a
 * string gets too long. A refused configuration took 15 seconds and a gigabyte of memory.
 */
export function runError(message: string): pulumi.RunError {
  const error = new pulumi.RunError(message);
  error.stack = "";
  return error;
}
