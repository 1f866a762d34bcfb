"""Processes for what must not run in the server's own: untrusted files, heavy libraries."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

_SOURCES = str(Path(__file__).parents[1])
_BURIAL_SECONDS = 5
_KEPT = ("PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")


def start(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Starts `python3 -m module`, whose text is UTF-8, without this process's settings and secrets.

    `environment` is added; `options` are those of Popen.
    """
    inherited = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = os.pathsep.join(filter(None, [_SOURCES, os.environ.get("PYTHONPATH")]))
    own = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=inherited | own | dict(environment or {}),
        encoding="utf-8",
        **options,
    )


def end(process: subprocess.Popen[Any]) -> None:
    """Kills the process and whatever it has started, and waits until all of them have gone."""
    if process.poll() is not None:
        return
    family: set[psutil.Process] = set()
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        # Stopped, it starts no more while its family is counted; those whose parent has gone could not be found.
        first.suspend()
        while more := set(first.children(recursive=True)) - family:
            for each in more:
                with suppress(psutil.NoSuchProcess):
                    each.suspend()
            family |= more
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.kill()
    process.wait()
    # Not for ever: where the container has no init, nobody buries them.
    psutil.wait_procs(family, timeout=_BURIAL_SECONDS)
