import * as pulumi from "@pulumi/pulumi";
import { deployedApplication } from "./applications/deployed";
import { establishIdentity } from "./components/deployment-identity";
import { Deployment } from "./components/deployment";
import { planDeployment } from "./components/deployment-plan";
import { readPreviousUpdate } from "./components/previous-update";
import { loadSettings } from "./config/load";
import { environmentNotices } from "./config/machine";
import { remoteAccess } from "./lib/host";

export = async () => {
  const settings = loadSettings({
    reserved: deployedApplication.variables.reserved,
    abi: deployedApplication.python.abi,
  });
  const { dockerHost } = settings;
  for (const notice of environmentNotices(pulumi.getStack(), dockerHost)) {
    await pulumi.log.warn(notice);
  }
  const previous = await readPreviousUpdate();
  const plan = planDeployment(deployedApplication, settings, previous);
  const identity = await establishIdentity("archon", settings, previous);
  const deployment = new Deployment("archon", plan, identity);
  const access = remoteAccess(dockerHost, deployment.url);
  if (access !== undefined) {
    await pulumi.log.info(access);
  }
  return deployment.outputs();
};
