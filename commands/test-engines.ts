import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { ensureSetup } from "./setup/ensure";
import { examples } from "./lib/options";
import { Steps } from "./lib/progress";
import { NewerEngine } from "./test/newer-engine";
import { closingLine, sum, type Counts, type Print } from "./test/results";

/** A whole life of a stack: it is deployed, changed, rolled back and destroyed, and updates in between change nothing. */
const file = "tests/engine/deploy.test.ts";

/** What `daemon.json` says. Updates must find no difference, whatever an administrator has set for all containers. */
const daemons: Readonly<Record<string, object>> = {
  "as it is installed": {},
  "with the containerd image store, log options, IPv6, limits and an MTU": {
    features: { "containerd-snapshotter": true },
    "log-opts": { compress: "true", "max-size": "5m", "max-file": "5", tag: "{{.Name}}" },
    "default-network-opts": {
      bridge: { "com.docker.network.enable_ipv6": "true", "com.docker.network.driver.mtu": "1400" },
    },
    "default-ulimits": { nofile: { Name: "nofile", Soft: 2048, Hard: 4096 } },
    mtu: 1400,
  },
  "with mapped users (user namespaces)": { "userns-remap": "default" },
};

const print: Print = (line) => {
  console.log(line);
};

/** Tests on a newer engine than this machine's: that of Debian testing, in a container. */
export function define(command: Command): void {
  command
    .addHelpText("after", examples([archon("test-engines"), "about twenty minutes, the first time five more"]))
    .action(async () => {
      process.exitCode = await testEngines();
    });
}

async function testEngines(): Promise<number> {
  await ensureSetup(new Steps());
  const results: Counts[] = [];
  for (const [name, daemon] of Object.entries(daemons)) {
    const engine = await NewerEngine.start(daemon, print);
    try {
      console.log(`\n── Docker engine ${engine.version}, ${name}`);
      results.push(await engine.test(file, print));
    } finally {
      await engine.remove();
    }
  }
  const total = sum(results);
  console.log(`\n${closingLine(total)}`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}
