import { parse } from "yaml";

interface Declaration {
  type: string;
  description: string;
  default: unknown;
  items?: { type: string };
}

/**
 * The page about the configuration keys, from what Pulumi.yaml declares. The table has the first sentence of a
 * description; what follows from a value is listed below it.
 */
export function configurationPage(projectFile: string): string {
  const { config } = parse(projectFile) as { config: Record<string, Declaration> };
  const keys = Object.entries(config).map(([key, { type, items, default: value, description }]) => {
    const [meaning, details] = splitFirstSentence(description);
    const cells = [
      `\`archon:${key}\``,
      items ? `${type} of ${items.type}s` : type,
      `\`${JSON.stringify(value)}\``,
      meaning.replaceAll("|", "\\|"),
    ];
    return { row: `| ${cells.join(" | ")} |`, details: details && `- \`archon:${key}\`: ${details}` };
  });
  return `# Configuration

\`./archon docs\` generates this page from \`Pulumi.yaml\` and \`commands/docs/configuration-page.ts\`:
change these files. A stack's values are in \`Pulumi.<stack>.yaml\`. All problems are reported in one
message before anything is created; unknown keys are errors.

| key | type | default | meaning |
|---|---|---|---|
${keys.map(({ row }) => row).join("\n")}
| \`archon:hubToken\` | secret string | none | Token for repositories of the hub that require one |

${keys.flatMap(({ details }) => details || []).join("\n")}
- \`archon:hubToken\`: \`pulumi config set --secret archon:hubToken\` sets it.

## Fields

| field | of | default | meaning |
|---|---|---|---|
| \`name\` | models, services | required | Lower-case letters, digits, dots and hyphens; unique in the list |
| \`repo\`, \`revision\` | models | required together | \`<organisation>/<name>\` and the commit, 40 hex digits |
| \`directory\` | models | instead of repo | Directory of the checkout |
| \`variant\` | models | \`"auto"\` | Precision of the weights in memory: \`float32\`, \`bfloat16\`, or what suits the processor |
| \`from\`, \`variant: int8\`, \`revision\` | models | instead of repo | 8-bit weights, derived from the model of that name |
| \`role\` | services | \`server\` | What of the application it runs: \`server\`; with \`kind: archon\` also \`mcp\`, \`agents\` or \`ui\` |
| \`port\` | services | required | Port on the host |
| \`bind\` | services | \`"127.0.0.1"\` | IP address of the host |
| \`tls\` | services | none | \`{ certificate, key }\`: absolute paths on the Docker host of PEM files; see [TLS](operations.md#tls) |
| \`memoryMiB\` | services | \`4096\` | Memory limit of each server, without swap where the engine can limit that |
| \`replicas\` | services | \`1\` | Servers behind the gateway, up to 4 |
| \`gpu\` | services | \`"none"\` | \`nvidia\` gives the servers all GPUs of the Docker host; see [GPU](operations.md#gpu) |
| \`variables\` | services | \`{}\` | Environment variables of the servers, for the settings in [server.md](server.md#settings) that have no key here |

- \`directory\`: The commit is computed from its files.
- \`variant\`: Changing it makes a new release.
- \`from\`: \`./archon models derive NAME\` prints the line.
- \`role\`: The first service must be a server. Each of the others comes up after those before it in the list;
  [archon.md](archon.md#all-services-of-the-compose-file) has the details.
- \`port\`: Changing it replaces the gateway.
- \`bind\`: Beyond loopback, \`requireToken\` must be true. Changing it replaces the gateway.
- \`tls\`: Other paths replace the gateway. Other files under these paths are taken without that.
- \`memoryMiB\`: Changing it replaces the servers.
- \`gpu\`: Changing it replaces the servers. It needs \`archon:accelerator: cuda\`.
- \`variables\`: Changing one replaces the servers. For a secret:
  \`pulumi config set --secret --path 'archon:services[0].variables.NAME'\`.

The set-up finds the facts about a machine: the certificate authorities it trusts, a base image built
because no registry answers, and where the engine listens. It writes them to
\`.archon/machine.json\`, which is not committed. A value in the stack's file takes precedence.
`;
}

/** The first sentence of a text, without its full stop, and the other sentences; empty if there are none. */
function splitFirstSentence(text: string): [string, string] {
  const [, first = text, others = ""] = /^(.*?)\.(?: (.*))?$/.exec(text) ?? [];
  return [first, others];
}
