import { containerJob, readJobInputs, storeJobOptions, toLines } from "../../lib/container-job";

// Exact arguments. That Docker takes them, and what a container with them cannot do, only the engine shows.

const hardened = [
  "--rm",
  "--pull=never",
  "--init",
  "--read-only",
  "--tmpfs=/tmp",
  "--cap-drop=ALL",
  "--security-opt=no-new-privileges",
  "--log-driver=none",
];

test("a job has no network, no capability and nothing of the host unless it asks for it", () => {
  expect(containerJob({ image: "i:1", command: ["a", "b c"], labels: { component: "derive" } })).toEqual([
    "run",
    ...hardened,
    "--network=none",
    "--label=io.archon.component=derive",
    "i:1",
    "a",
    "b c",
  ]);
});

test("a job of the store tool writes to the store alone, and keeps secrets out of its arguments", () => {
  const options = storeJobOptions(
    { source: "/srv/archon" },
    {
      name: "job",
      labels: { project: "archon", component: "one-shot" },
      network: true,
      mounts: [{ source: "/wheels", target: "/wheelhouse" }],
      inherited: ["HF_TOKEN"],
      variables: { A: "1" },
      caBundle: "/etc/ca.pem",
    },
  );
  expect(containerJob({ ...options, image: "i:1", command: ["init"] })).toEqual([
    "run",
    ...hardened.slice(0, 6),
    "--cap-add=CHOWN",
    "--cap-add=DAC_OVERRIDE",
    "--cap-add=FOWNER",
    ...hardened.slice(6),
    "--interactive",
    "--name=job",
    "--label=io.archon.project=archon",
    "--label=io.archon.component=one-shot",
    "--mount=type=bind,source=/srv/archon,target=/store",
    "--mount=type=bind,source=/wheels,target=/wheelhouse,readonly",
    "--mount=type=bind,source=/etc/ca.pem,target=/run/ca-bundle.pem,readonly",
    "--env=HF_TOKEN",
    "--env=A=1",
    "--env=SSL_CERT_FILE=/run/ca-bundle.pem",
    "i:1",
    "init",
  ]);
});

test.each([
  [false, ["--network=none"]],
  [true, []],
  ["host", ["--network=host", "--userns=host"]],
] as const)("with network %s its options are %j", (network, expected) => {
  const args = containerJob({ image: "i", command: [], labels: {}, network });
  expect(args.filter((each) => /^--(network|userns)=/.test(each))).toEqual(expected);
});

test("a store that may not be there yet is made by Docker", () => {
  const options = storeJobOptions({ source: "/srv/archon", create: true }, { labels: {} });
  expect(containerJob({ ...options, image: "i", command: [] })).toContain("--volume=/srv/archon:/store");
});

test("working directory and entry point are the image's unless they are named", () => {
  const args = containerJob({ image: "i", command: [], labels: {}, workdir: "/src", entrypoint: "find" });
  expect(args.slice(-3)).toEqual(["--workdir=/src", "--entrypoint=find", "i"]);
});

test("arguments travel one a line and come back, under the names of today and of earlier updates", () => {
  const command = ["populate", "--key", "k"];
  expect(readJobInputs({ JOB_COMMAND: toLines(command), JOB_DIRECTORY: "" })).toEqual({
    command,
    directory: undefined,
  });
  expect(readJobInputs({ ONE_SHOT_ARGS: "fetch\n--archive\n-", ONE_SHOT_DIRECTORY: "/checkout/model" })).toEqual({
    command: ["fetch", "--archive", "-"],
    directory: "/checkout/model",
  });
  expect(readJobInputs({})).toEqual({ command: [], directory: undefined });
  expect(() => toLines(["a\nb"])).toThrow('must not have a line break: "a\\nb"');
});
