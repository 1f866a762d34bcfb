// First, so that no other module loads Pulumi whole.
import "../../lib/lazy-packages.cjs";
import { archon } from "../../lib/command-line";
import { main } from "./main";
import { runProgram } from "./program";

const [command = "--help"] = process.argv.slice(2);
main(runProgram, archon(command));
