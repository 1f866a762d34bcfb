import { parse } from "yaml";

interface Declaration {
  type: string;
  description: string;
  default: unknown;
  items?: { type: string };
}

/** The page about the configuration keys, from what Pulumi.yaml declares. */
export function configurationPage(projectFile: string): string {
  const { config } = parse(projectFile) as { config: Record<string, Declaration> };
  const rows = Object.entries(config).map(([key, declaration]) => {
    const type = declaration.items ? `${declaration.type} of ${declaration.items.type}s` : declaration.type;
    return `| \`archon:${key}\` | ${type} | \`${JSON.stringify(declaration.default)}\` | ${declaration.description.replaceAll("|", "\\|")} |`;
  });
  return `# Configuration

\`./archon docs\` generates this page from \`Pulumi.yaml\` and \`commands/docs/configuration-page.ts\`:
change these files. A stack's values are in \`Pulumi.<stack>.yaml\`. All problems are reported in one
message before anything is created; unknown keys are errors.

| key | type | default | meaning |
|---|---|---|---|
${rows.join("\n")}
| \`archon:hubToken\` | secret string | none | Token for repositories of the hub that require one: \`pulumi config set --secret archon:hubToken\`. |

## Fields

| field | of | default | meaning |
|---|---|---|---|
| \`name\` | models, services | required | Lower-case letters, digits, dots and hyphens; unique in the list. |
| \`repo\`, \`revision\` | models | required together | \`<organisation>/<name>\` and the commit, 40 hex digits. |
| \`directory\` | models | instead of repo | Directory of the checkout; its commit is computed from its files. |
| \`variant\` | models | \`"auto"\` | Precision of the weights in memory: \`float32\`, \`bfloat16\`, or what suits the processor. Changing it makes a new release. |
| \`from\`, \`variant: int8\`, \`revision\` | models | instead of repo | 8-bit weights, derived from the model of that name; \`./archon models derive NAME\` prints the line. |
| \`port\` | services | required | Port on the host. Changing it replaces the gateway. |
| \`bind\` | services | \`"127.0.0.1"\` | IP address of the host. Beyond loopback, \`requireToken\` must be true. |
| \`memoryMiB\` | services | \`4096\` | Memory limit of each server, without swap. Changing it replaces the servers. |
| \`replicas\` | services | \`1\` | Servers behind the gateway, up to 4. |
| \`variables\` | services | \`{}\` | Environment variables of the servers, for the settings in [server.md](server.md#settings) that have no key here. Changing one replaces the servers. For a secret: \`pulumi config set --secret --path 'archon:services[0].variables.NAME'\`. |

The set-up finds the facts about a machine: the certificate authorities it trusts, a base image built
because no registry answers, and where the engine listens. It writes them to
\`.archon/machine.json\`, which is not committed. A value in the stack's file takes precedence.
`;
}
