import { parseArgs, type ParseArgsConfig } from "node:util";
import { UserError } from "../../lib/errors";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>>;

/**
 * Reads the arguments of a command.
 *
 * @param usage what is shown when they do not fit, such as `npm run releases [-- --json]`
 * @param positionals how many arguments without a name it takes at most. @default 0
 * @throws UserError that names the argument and shows the usage
 */
export function parseOptions<const T extends Options>(
  args: readonly string[],
  usage: string,
  options: T,
  positionals = 0,
): Parsed<T> {
  let parsed: Parsed<T>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith("ERR_PARSE_ARGS") === true) {
      // Node goes on with advice about its own `--`, which means something else to npm.
      throw new UserError(`${message.replace(/\. .*$/s, ".")}\nUsage: ${usage}`);
    }
    throw error;
  }
  const surplus = parsed.positionals.slice(positionals);
  if (surplus.length > 0) {
    throw new UserError(
      `Unexpected argument ${surplus.map((argument) => `"${argument}"`).join(", ")}.\nUsage: ${usage}`,
    );
  }
  return parsed;
}
