import * as pulumi from "@pulumi/pulumi";
import { applicationOf } from "./applications/configured";
import { establishIdentity } from "./components/deployment-identity";
import { Deployment } from "./components/deployment";
import { planDeployment } from "./components/deployment-plan";
import { readPreviousUpdate } from "./components/previous-update";
import { loadSettings } from "./config/load";
import { environmentNotices } from "./config/machine";
import { movedStoreNotices, plainTextNotices } from "./config/notices";
import { remoteAccess } from "./lib/host";
import { projectRoot } from "./lib/paths";

export = async () => {
  const { settings, application } = loadSettings((config, roles, problems) =>
    applicationOf(config, { project: projectRoot, stack: pulumi.getStack(), roles }, problems),
  );
  const { dockerHost, root } = settings;
  const previous = await readPreviousUpdate();
  const stack = pulumi.getStack();
  for (const notice of [
    ...environmentNotices(stack, dockerHost),
    ...plainTextNotices(settings),
    ...movedStoreNotices(stack, root, previous.root),
  ]) {
    await pulumi.log.warn(notice);
  }
  const plan = planDeployment(application, settings, previous);
  const identity = await establishIdentity("archon", settings, previous);
  const deployment = new Deployment("archon", plan, identity);
  const access = remoteAccess(dockerHost, deployment.url);
  if (access !== undefined) {
    await pulumi.log.info(access);
  }
  return deployment.outputs();
};
