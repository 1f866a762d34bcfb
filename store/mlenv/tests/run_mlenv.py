"""Runs the tool in its own process, as a store job does."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """What a run of the tool printed, and its exit status (negative: killed by that signal)."""

    status: int
    out: str
    err: str


def mlenv(*arguments: object, stdin: str | bytes = b"", **environment: str) -> Result:
    """Run to the end. `environment` adds variables."""
    process = start(*arguments, **environment)
    out, err = process.communicate(stdin.encode() if isinstance(stdin, str) else stdin)
    return Result(process.returncode, out.decode(), err.decode())


def start(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    """Start a run in the background, with pipes for all three streams."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "HF_", "MLENV_"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "mlenv", *map(str, arguments)],
        cwd=ROOT,
        env=inherited | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
