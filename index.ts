import { deployedApplication } from "./applications/deployed";
import { Deployment } from "./components/deployment";
import { planDeployment } from "./components/deployment-plan";
import { readPreviousUpdate } from "./components/previous-update";
import { loadSettings } from "./config/load";

export = async () => {
  const settings = loadSettings(deployedApplication.variables.reserved);
  const plan = planDeployment(deployedApplication, settings, await readPreviousUpdate());
  return new Deployment("archon", plan).outputs();
};
