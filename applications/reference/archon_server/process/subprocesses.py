"""Processes for what must not run in the server's own: untrusted files, heavy libraries."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

_SOURCES = str(Path(__file__).parents[2])
_REAP_TIMEOUT = 5
"""In seconds."""
_INHERITED = ("PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")


def start(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Starts `python3 -m module`, whose text is UTF-8, without this process's settings and secrets.

    `environment` is added to the environment variables; `options` are those of Popen.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = os.pathsep.join(filter(None, [_SOURCES, os.environ.get("PYTHONPATH")]))
    python = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=inherited | python | dict(environment or {}),
        encoding="utf-8",
        **options,
    )


def descendants(process: subprocess.Popen[Any]) -> set[psutil.Process]:
    """All processes that it has started, and those that they have, as long as it runs."""
    try:
        return set(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def kill_tree(process: subprocess.Popen[Any], seen: Iterable[psutil.Process] = ()) -> None:
    """Kills the process and all processes it has started, and waits until they have exited.

    `seen` are descendants from earlier: without it, those of a process that has ended cannot be found.
    """
    tree = set(seen)
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            tree.add(psutil.Process(process.pid))
    # A suspended process starts no more children while they are counted. It must not be killed first: children of a
    # dead parent cannot be found.
    uncounted = tree
    while uncounted:
        found: set[psutil.Process] = set()
        for each in uncounted:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
                found.update(each.children())
        uncounted = found - tree
        tree = tree | uncounted
    for each in tree:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    # With a timeout: in a container without an init process, nobody reaps them.
    psutil.wait_procs(tree, timeout=_REAP_TIMEOUT)
