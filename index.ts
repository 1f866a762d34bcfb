import * as pulumi from "@pulumi/pulumi";
import { deployedApplication } from "./applications/deployed";
import { establishIdentity } from "./components/deployment-identity";
import { Deployment } from "./components/deployment";
import { planDeployment } from "./components/deployment-plan";
import { readPreviousUpdate } from "./components/previous-update";
import { loadSettings } from "./config/load";
import { engineNotice } from "./config/machine";
import { remoteAccess } from "./lib/host";
import { proxyNotice } from "./lib/proxies";

export = async () => {
  const settings = loadSettings({
    reserved: deployedApplication.variables.reserved,
    abi: deployedApplication.python.abi,
  });
  const { dockerHost } = settings;
  for (const notice of [engineNotice(pulumi.getStack(), dockerHost), proxyNotice()]) {
    if (notice !== undefined) {
      await pulumi.log.warn(notice);
    }
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
