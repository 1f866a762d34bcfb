"""Processes for what must not run in the server's own: untrusted files, heavy libraries."""

import os
import subprocess
import sys
from collections.abc import Mapping
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


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """Kills the process and all processes it has started, and waits until they have exited."""
    if process.poll() is not None:
        return
    descendants: set[psutil.Process] = set()
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        # A suspended process starts no more children while they are counted. It must not be killed first: children of
        # a dead parent cannot be found.
        root.suspend()
        while found := set(root.children(recursive=True)) - descendants:
            for each in found:
                with suppress(psutil.NoSuchProcess):
                    each.suspend()
            descendants |= found
    for each in descendants:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.kill()
    process.wait()
    # With a timeout: in a container without an init process, nobody reaps them.
    psutil.wait_procs(descendants, timeout=_REAP_TIMEOUT)
