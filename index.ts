import { Deployment } from "./components/deployment";
import { loadSettings } from "./config";
import { readLedger } from "./ledger";

export = async () => {
  const settings = loadSettings();
  return new Deployment("archon", settings, await readLedger()).outputs();
};
