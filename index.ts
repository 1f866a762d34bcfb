import { Deployment } from "./components/deployment";
import { loadSettings } from "./config/load";
import { readLedger } from "./config/read-ledger";

export = async () => {
  const settings = loadSettings();
  return new Deployment("archon", settings, await readLedger()).outputs();
};
