import { archon } from "../../lib/command-line";
import { main } from "./main";
import { runProgram } from "./program";

const [verb = "--help"] = process.argv.slice(2);
main(runProgram, archon(verb));
