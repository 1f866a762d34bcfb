/** The user can correct what is wrong: the message says what it is and what to do. Printed without a stack trace. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** A signal stopped the command: Ctrl-C, or a supervisor. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor(readonly signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
  }
}
