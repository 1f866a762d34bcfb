/** Something outside the program is not as it must be. The message says what, and what to do; no stack is shown. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** The person (or the supervisor) stopped the command. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor(readonly signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
  }
}
