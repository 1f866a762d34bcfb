import { abiOf, DEFAULT_PYTHON } from "../../config/python";
import type { Release } from "../../release/release";
import type { BuiltApplication } from "../application";

const port = 8181;
const data = "/data";

/** The module and its options are stable: today's program also runs the server images of older releases. */
const derive = ({ repo, revision, variant }: { repo: string; revision: string; variant: string }): string[] => [
  "python3",
  "-m",
  "archon_server.derive",
  `--repo=${repo}`,
  `--revision=${revision}`,
  `--variant=${variant}`,
];

/** The reference server: retrieval and reranking behind Archon's HTTP interface. */
export const referenceServer: BuiltApplication = {
  image: {
    repository: "archon-server",
    context: "applications/reference",
    dockerfile: "Dockerfile",
    browser: true,
    // Without a browser there are no arguments, so that the tag depends only on what is in the image.
    buildArguments: ({ browser }) => (browser ? { BROWSER: "chromium" } : {}),
  },
  python: { abi: abiOf(DEFAULT_PYTHON), platform: "linux/amd64" },
  requirements: {
    image: "applications/reference/requirements.server.minimal",
    browser: "applications/reference/requirements.server.browser",
    environment: "applications/reference/requirements.server.ml",
    imports: ["torch", "transformers", "sentence_transformers"],
  },
  port,
  user: "10001:10001",
  mounts: { data },
  tmpfs: { "/tmp": "rw,nosuid,nodev,size=256m" },
  variables: {
    reserved: [
      "ARCHON_RELEASE",
      "ARCHON_SERVICE",
      "ARCHON_ENVIRONMENT_KEY",
      "ARCHON_MODELS",
      "ARCHON_ACTIVE_MODEL",
      "ARCHON_DATA_DIR",
      "ARCHON_API_TOKEN",
      "ARCHON_DEVICE",
      "HF_HUB_OFFLINE",
      "PORT",
      "SSL_CERT_FILE",
      "REQUESTS_CA_BUNDLE",
    ],
    of: (release: Release, service: string) => ({
      ARCHON_RELEASE: release.id,
      ARCHON_SERVICE: service,
      ARCHON_ENVIRONMENT_KEY: release.environment,
      ARCHON_MODELS: JSON.stringify(release.models),
      ARCHON_ACTIVE_MODEL: release.activeModel ?? "",
      ARCHON_DATA_DIR: data,
      HF_HUB_OFFLINE: "1",
      PORT: String(port),
    }),
    gpu: { ARCHON_DEVICE: "cuda" },
    token: "ARCHON_API_TOKEN",
    certificates: ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"],
  },
  readiness: {
    command: ["python3", "-m", "archon_server.healthcheck"],
    path: "/health",
    timeoutSeconds: 5,
    failedPrefix: "failed: ",
  },
  stopSeconds: 30,
  commands: {
    baseline: ["python3", "-m", "archon_server.proof"],
    derive,
    deriveRevision: (source) => [...derive(source), "--print-revision"],
  },
};
