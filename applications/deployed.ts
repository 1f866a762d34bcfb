import { referenceServer } from "./reference/application";
import type { Application } from "./application";

/** The application that the program deploys, and that the commands build, lock and measure. */
export const deployedApplication: Application = referenceServer;
