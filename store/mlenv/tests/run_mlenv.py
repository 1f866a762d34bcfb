"""Runs the tool in its own process, as a store job does."""

from __future__ import annotations

import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mlenv.cli import main

# Loaded here, so that no run has to load its command.
from mlenv.cli.commands import bundle, environments, gc, models, store, verify  # noqa: F401

ROOT = Path(__file__).parents[2]

_LOADED = multiprocessing.get_context("forkserver")
"""Starts processes by a fork of one that has loaded the tool: loading it takes longer than most commands. That process
has no threads, unlike a test's, and it is started once for each process of the tests."""
_LOADED.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Result:
    """What a run of the tool printed, and its exit status (negative: killed by that signal)."""

    status: int
    out: str
    err: str


def mlenv(*arguments: object, stdin: str | bytes = b"", **environment: str) -> Result:
    """Run to the end. `environment` adds variables."""
    with tempfile.TemporaryDirectory(prefix="mlenv-run-") as directory:
        files = Path(directory)
        (files / "in").write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        process = _LOADED.Process(
            target=become_run, args=(files, [*map(str, arguments)], _inherited() | environment), name="mlenv"
        )
        process.start()
        process.join()
        return Result(process.exitcode, (files / "out").read_text(), (files / "err").read_text())


def start(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    """Start the program in the background, with pipes for all three streams."""
    return subprocess.Popen(
        [sys.executable, "-m", "mlenv", *map(str, arguments)],
        cwd=ROOT,
        env=_inherited() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def become_run(files: Path, arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Turn this process, a fork, into a run of the tool with exactly these variables. It reads `files/in` and writes
    `files/out` and `files/err`."""
    status = 1
    try:
        for descriptor, name, mode in ((0, "in", os.O_RDONLY), (1, "out", _WRITE), (2, "err", _WRITE)):
            os.dup2(os.open(files / name, mode), descriptor)
        # New objects: those of this process may be closed or replaced.
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), write_through=True)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(ROOT)
        try:
            status = main.main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        except Exception:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def _inherited() -> dict[str, str]:
    """The variables of this process, without those that would change what a run does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "HF_", "MLENV_"))}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"}
