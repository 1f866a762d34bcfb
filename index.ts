import { Deployment } from "./components/deployment";
import { loadSettings } from "./config";

export const { url, release, environment, images, models, services, apiToken } = new Deployment("archon", loadSettings());
