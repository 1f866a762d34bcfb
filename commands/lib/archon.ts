import { archon } from "../../lib/command-line";
import { main } from "./main";
import { runProgram } from "./program";

const [command = "--help"] = process.argv.slice(2);
main(runProgram, archon(command));
