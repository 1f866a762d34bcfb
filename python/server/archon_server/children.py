"""Processes for what must not run in the server's own: untrusted files, heavy libraries."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SOURCES = str(Path(__file__).parents[1])
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
