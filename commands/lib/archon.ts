// First: the one for all modules that follow, the other so that none of them loads Pulumi whole.
import "../../lib/compile-cache.cjs";
import "../../lib/lazy-packages.cjs";
import { archon } from "../../lib/command-line";
import { main } from "./main";
import { runProgram } from "./program";

const [command = "--help"] = process.argv.slice(2);
main(runProgram, archon(command));
