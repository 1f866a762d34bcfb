import { Deployment } from "./components/deployment";
import { loadSettings } from "./config";

export = new Deployment("archon", loadSettings()).outputs();
