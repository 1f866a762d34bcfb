/** Versions of CPython that a server can run on. */
export const PYTHON_VERSIONS = ["3.11", "3.13"] as const;
export type PythonVersion = (typeof PYTHON_VERSIONS)[number];

/** The version of the reference server, and of every other application that names none. */
export const DEFAULT_PYTHON: PythonVersion = "3.11";

interface Debian {
  /** Suite whose `python3` is this version. */
  suite: string;
  /** The published image, pinned by the digest of its multi-platform index. */
  image: string;
}

/** What images are built from: a Debian for each version of Python. */
export const DEBIANS: Readonly<Record<PythonVersion, Debian>> = {
  "3.11": {
    suite: "bookworm",
    image: "python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b",
  },
  "3.13": {
    suite: "trixie",
    image: "python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285",
  },
};

/** Tag of an interpreter in the name of a wheel, such as `cp311`. */
export function abiOf(version: PythonVersion): string {
  return `cp${version.replace(".", "")}`;
}
