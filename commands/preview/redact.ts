/** The text that replaces a secret. */
export const hidden = "[secret]";

/** Environment variables of the deployer whose values must never be shown. */
const secretVariable = /TOKEN|SECRET|PASSWORD|PASSPHRASE$|CREDENTIAL|_KEY$|ACCESS_KEY/;

/** Shorter values are words that occur by chance. */
const shortestSecret = 8;

const patterns: readonly [pattern: RegExp, replacement: string][] = [
  // Credentials before the host of a URL, and tokens among its parameters.
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"'`<>]+@/gi, `$1${hidden}@`],
  [/([?&](?:[\w-]*(?:token|secret|password|signature|sig|key))=)[^\s&"'`]+/gi, `$1${hidden}`],
  [/\b(Bearer|Basic)\s+[\w+/=._~-]{8,}/gi, `$1 ${hidden}`],
  // Tokens of Hugging Face, GitHub, Pulumi, Amazon, and JSON web tokens.
  [
    /\bhf_\w{16,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bpul-[0-9a-f]{20,}|\bA[KS]IA[0-9A-Z]{16}\b|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g,
    hidden,
  ],
];

/** Values that must not be shown, from the environment of the process that ran the preview. */
export function secretsOf(environment: NodeJS.ProcessEnv): string[] {
  return Object.entries(environment)
    .filter(([name, value]) => secretVariable.test(name) && value !== undefined && value.length >= shortestSecret)
    .map(([, value]) => value ?? "");
}

/**
 * Hides secrets in a text. Pulumi hides what it knows to be secret, but it cannot recognise a program's message or a
 * URL with a password.
 *
 * @param known values to hide wherever they occur
 */
export function redact(text: string, known: readonly string[]): string {
  const literal = [...known]
    .sort((one, other) => other.length - one.length)
    .reduce((rest, secret) => rest.replaceAll(secret, hidden), text);
  return patterns.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), literal);
}
