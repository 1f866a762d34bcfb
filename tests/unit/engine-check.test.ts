import { judgeEngine, parseEngineInfo } from "../../commands/setup/engine-check";

// Recorded from `docker info --format '{{json .}}'`, shortened. No engine of the tests runs rootless or with SELinux.

const recorded = {
  debian: '{"ServerVersion":"20.10.24+dfsg1","SecurityOptions":["name=seccomp,profile=default"],"MemoryLimit":true}',
  mapped:
    '{"ServerVersion":"28.5.2+dfsg4","SecurityOptions":["name=seccomp,profile=builtin","name=userns"],"MemoryLimit":true}',
  bare: '{"ServerVersion":"27.0.0","SecurityOptions":null,"MemoryLimit":true}',
  fedora:
    '{"ServerVersion":"28.5.1","SecurityOptions":["name=seccomp,profile=builtin","name=selinux","name=cgroupns"],"MemoryLimit":true}',
  rootless:
    '{"ServerVersion":"28.5.1","SecurityOptions":["name=seccomp,profile=builtin","name=rootless","name=cgroupns"],"MemoryLimit":true}',
  raspberry: '{"ServerVersion":"28.5.1","SecurityOptions":["name=seccomp,profile=builtin"],"MemoryLimit":false}',
};
const judge = (engine: keyof typeof recorded): string[] =>
  judgeEngine(parseEngineInfo(recorded[engine]), {
    stack: "prod",
    dockerHost: "unix:///run/docker.sock",
    root: "/srv/archon",
  });

test.each(["debian", "mapped", "bare"] as const)("the engine %s runs a stack without more ado", (engine) => {
  expect(judge(engine)).toEqual([]);
});

test("with SELinux the store needs a label, and the commands that set it are named", () => {
  expect(judge("fedora")).toEqual([
    expect.stringContaining(
      "sudo mkdir -p /srv/archon && sudo semanage fcontext -a -t container_file_t '/srv/archon(/.*)?' && sudo restorecon -R /srv/archon",
    ),
  ]);
});

test("an engine that cannot limit memory is named as such", () => {
  expect(judge("raspberry")).toEqual([expect.stringContaining("cgroup_enable=memory")]);
});

test("a rootless engine is refused, with the way to another one", () => {
  expect(() => judge("rootless")).toThrow(
    /^The Docker engine at unix:\/\/\/run\/docker\.sock runs rootless, which is not supported.*\n.*`\.\/archon pulumi config set archon:dockerHost unix:\/\/\/var\/run\/docker\.sock --stack prod`/,
  );
});
