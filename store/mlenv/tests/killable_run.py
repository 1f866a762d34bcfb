"""Runs of the tool that can be killed, forked from this process, which has loaded everything."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlenv.core import failpoints

from .fake_hub import FakeHub
from .run_mlenv import become_run

WHOLE_LIFE_SECONDS = {"populate": 0.3, "repair": 0.3, "fetch": 0.1}
"""The longest duration of an undisturbed run on an idle machine, in seconds; other commands take less than 0.05."""


@dataclass(frozen=True)
class Fault:
    """How a run dies: at a named step, or after some seconds, or not at all."""

    step: str | None = None
    seconds: float | None = None

    @staticmethod
    def draw(chance: random.Random, command: str) -> Fault:
        kind = chance.random()
        steps = [step for step in failpoints.STEPS if step.split(".")[0] == command]
        if kind < 0.45 and steps:
            return Fault(step=chance.choice(steps))
        if kind < 0.8:
            return Fault(seconds=chance.uniform(0, WHOLE_LIFE_SECONDS.get(command, 0.05)))
        return Fault()


class Run:
    """One run of the tool in its own child process."""

    def __init__(self, arguments: list[object], stdin: object = "", fault: Fault = Fault(), **environment: str) -> None:
        self.command = str(arguments[0])
        self.fault = fault
        self._files = Path(tempfile.mkdtemp(prefix="mlenv-run-"))
        text = stdin if isinstance(stdin, str) else json.dumps(stdin)
        (self._files / "in").write_text(text, encoding="utf-8")
        step = {failpoints.VARIABLE: fault.step} if fault.step else {}
        self._born = time.monotonic()
        self._child = os.fork()
        if not self._child:
            become_run(self._files, [*map(str, arguments)], dict(os.environ) | environment | step)

    def end(self) -> tuple[int, str]:
        """Kill it if planned, and wait; returns its status (negative: the signal) and its output."""
        if self.fault.seconds is not None:
            time.sleep(max(0.0, self._born + self.fault.seconds - time.monotonic()))
            os.kill(self._child, signal.SIGKILL)
        _, status = os.waitpid(self._child, 0)
        # A run that was killed at once has made neither.
        output = "".join(
            (self._files / name).read_text(encoding="utf-8", errors="replace")
            for name in ("out", "err")
            if (self._files / name).exists()
        )
        shutil.rmtree(self._files)
        return os.waitstatus_to_exitcode(status), output


@contextlib.contextmanager
def hub_process(models: dict[str, dict[str, dict[str, bytes]]]) -> Iterator[str]:
    """A hub in its own process, so that forked runs inherit no thread; yields its endpoint."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            # Its clients are killed while it answers, which it would report.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            with FakeHub(models) as hub:
                os.write(writer, hub.endpoint.encode())
                signal.pause()
        finally:
            os._exit(0)
    os.close(writer)
    try:
        yield os.read(reader, 100).decode()
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextlib.contextmanager
def file_system(directory: Path, size: int | None) -> Iterator[Path]:
    """A directory for a store: on a file system of `size` bytes, or a plain one. Raises OSError if mounting is not
    allowed."""
    directory.mkdir()
    if size is None:
        yield directory
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
