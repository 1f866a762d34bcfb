import type { Command } from "commander";
import * as fs from "node:fs";
import * as path from "node:path";
import { stringify } from "yaml";
import { project, stackFile } from "../config/stack";
import { archon } from "../lib/command-line";
import { UserError } from "../lib/errors";
import { writeAtomically } from "../lib/files";
import { display, projectRoot } from "../lib/paths";
import { examples } from "./lib/options";
import { stackConfiguration, stackServices, type ServiceEntry } from "./migrate/configuration";
import { readMountedSetUp, type MountedSetUp } from "./migrate/mounted-set-up";
import { bytes } from "./lib/render";

export function define(command: Command): void {
  command
    .argument("<directory>", "checkout with docker-compose.yml, ml-env/ and models/")
    .option("--stack <name>", "name of the stack to write", "archon")
    .addHelpText(
      "after",
      examples([archon("migrate ../archon"), "write Pulumi.archon.yaml; nothing in ../archon is changed"]),
    )
    .action((given: string, { stack }: { stack: string }) => {
      const directory = path.resolve(given);
      const found = readMountedSetUp(directory);
      requireSomething(given, found);
      console.log([`Found in ${given}:`, ...describe(found)].join("\n"));
      writeConfiguration(stack, found);
      console.log([...describeServices(stack, found), ...nextSteps(stack, found)].join("\n"));
    });
}

function requireSomething(given: string, { checkout, environments, models }: MountedSetUp): void {
  if (checkout === undefined && environments.length === 0 && models.length === 0) {
    throw new UserError(
      `${given} has no checkout of Archon (python/src/server/main.py), no environment (ml-env/lib/python3.*/site-packages) ` +
        "and no models (models/hub/models--*), and no compose file that mounts one.\nName the directory that has them.",
    );
  }
}

const shownPackages = ["torch", "transformers", "sentence-transformers", "openai"];

function describe({ checkout, environments, models, services }: MountedSetUp): string[] {
  return [
    ...(checkout === undefined ? [] : ["  a checkout of Archon"]),
    ...environments.map(({ directory, python, packages }) => {
      const versions = shownPackages.flatMap((name) => {
        const version = packages.get(name);
        return version === undefined ? [] : `${name} ${version}`;
      });
      return `  an environment of Python ${python}, ${packages.size} packages (${versions.join(", ")}): ${directory}`;
    }),
    ...models.map(
      ({ repo, revision, bytes: size, incomplete }) =>
        `  ${repo} at ${revision}, ${bytes(size)}${incomplete === undefined ? "" : `, left out: ${incomplete}`}`,
    ),
    ...services.map(({ name, port }) => `  the service ${name}${port === undefined ? "" : ` at port ${port}`}`),
  ];
}

function writeConfiguration(stack: string, found: MountedSetUp): void {
  const file = stackFile(stack);
  if (fs.existsSync(file)) {
    throw new UserError(`${display(file)} exists. Choose another name with --stack, or move it away.`);
  }
  const values = Object.entries(stackConfiguration(projectRoot, found));
  const config = Object.fromEntries(values.map(([key, value]) => [`${project}:${key}`, value]));
  writeAtomically(file, stringify({ config }), 0o644);
  console.log(`\nWritten: ${display(file)}`);
}

/** What becomes of the services of the compose file. */
function describeServices(stack: string, found: MountedSetUp): string[] {
  const { entries, left } = stackServices(found);
  const [first] = left.flatMap(({ entry }) => entry ?? []);
  return [
    `Services: ${entries.map(({ name, port }) => `${name} at port ${port}`).join(", ")}`,
    ...(left.length === 0 ? [] : ["Left out:"]),
    ...left.flatMap(({ service, reason, entry }) => [
      `  ${service} ${reason}`,
      ...(entry === undefined ? [] : [`    ${flow(entry)}`]),
    ]),
    ...(first === undefined ? [] : [`To deploy one, add its line to archon:services of Pulumi.${stack}.yaml.`]),
  ];
}

/** `- { name: mcp, role: mcp, port: 8051, memoryMiB: 512 }` */
function flow(entry: ServiceEntry): string {
  return `- { ${Object.entries(entry)
    .map(([key, value]) => `${key}: ${value}`)
    .join(", ")} }`;
}

function nextSteps(stack: string, found: MountedSetUp): string[] {
  const { checkout } = found;
  const { taken, left } = stackServices(found);
  const stop = left.length === 0 ? "down" : `stop ${taken.map(({ name }) => name).join(" ")}`;
  return [
    "",
    "Next:",
    `  ${archon(`pulumi stack init ${stack}`)}`,
    ...(checkout === undefined
      ? []
      : [
          `  ${archon(`pulumi config set --stack ${stack} --path archon:application.supabase.url URL`)}`,
          `  ${archon(`pulumi config set --stack ${stack} --secret --path archon:application.supabase.serviceKey KEY`)}`,
          `  ${archon(`lock --stack ${stack}`)}`,
        ]),
    ...(taken.length === 0
      ? []
      : [`  docker compose ${stop}, in the old directory, or other ports in the file that was written`]),
    `  ${archon(`pulumi up --stack ${stack}`)}`,
  ];
}
