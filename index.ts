import { referenceServer } from "./applications/reference/application";
import { Deployment } from "./components/deployment";
import { planDeployment } from "./components/deployment-plan";
import { readPreviousUpdate } from "./components/previous-update";
import { loadSettings } from "./config/load";

export = async () => {
  const settings = loadSettings(referenceServer.variables.reserved);
  const plan = planDeployment(referenceServer, settings, await readPreviousUpdate());
  return new Deployment("archon", plan).outputs();
};
