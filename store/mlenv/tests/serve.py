"""Runs the test hub for programs in other languages: `python3 -m mlenv.tests.serve HOST ORG/NAME COMMIT DIRECTORY`.

It publishes the files of a directory as one commit, prints its endpoint, and serves until it is ended.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from .fake_hub import FakeHub


def main(host: str, repo: str, revision: str, directory: str) -> None:
    root = Path(directory)
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    with FakeHub(host=host) as hub:
        hub.add(repo, revision, files)
        print(hub.endpoint, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
