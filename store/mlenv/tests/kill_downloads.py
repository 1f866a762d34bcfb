"""Kills downloads with kill -9 at random moments, and counts the bytes that the hub has to send again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlenv.core.model import Model
from mlenv.store.store import Store

from .fake_hub import FakeHub
from .run_mlenv import ROOT

DEADLINE_SECONDS = 600


@dataclass(frozen=True)
class Run:
    """One run of a program: wall clock in seconds, its peak memory in bytes, its exit status."""

    seconds: float
    peak: int
    status: int


@dataclass(frozen=True)
class Killed:
    """The cost of the kills: bytes that the hub had to send again, in total and for the worst kill. `downloads` were
    completed on the way."""

    kills: int
    again: int
    worst: int
    downloads: int
    peak: int


@dataclass(frozen=True)
class Download:
    """What is killed: `command` fetches the model, of `total` bytes in parts of `part_bytes`, from the hub."""

    hub: FakeHub
    store: Store
    model: Model
    command: Sequence[str]
    total: int
    part_bytes: int


def kill_again_and_again(download: Download, kills: int, seed: int, completed: Callable[[], None]) -> Killed:
    """Kill downloads so many times, then let the last one finish. `completed` checks a complete snapshot and removes it
    for the next download."""
    moments = random.Random(seed)
    again = worst = done = downloads = peak = 0
    while done < kills:
        sent, kept = download.hub.sent, _kept(download)
        # On average, one download takes all the kills. The pause makes some kills hit what follows a part.
        stop_at = sent + moments.uniform(0, 2 * download.total / kills)
        pause = moments.uniform(0, 0.05)
        run = measure(download.command, lambda stop_at=stop_at: download.hub.sent >= stop_at, pause)
        peak = max(peak, run.peak)
        _wait_until_idle(download.hub)
        if run.status == 0:
            # It finished before it was killed: the next run is a new download.
            completed()
            downloads += 1
            continue
        if run.status != -signal.SIGKILL:
            raise AssertionError(f"a run ended by itself with {run.status}")
        done += 1
        if download.store.snapshot(download.model).exists():
            # Killed after the rename: it must be complete.
            completed()
            downloads += 1
            continue
        lost = (download.hub.sent - sent) - (_kept(download) - kept)
        again, worst = again + lost, max(worst, lost)
    run = measure(download.command)
    if run.status:
        raise AssertionError(f"the last run ended with {run.status}")
    completed()
    return Killed(done, again, worst, downloads + 1, max(peak, run.peak))


def measure(command: Sequence[str], kill_when: Callable[[], bool] | None = None, pause: float = 0.0) -> Run:
    """Run to the end, or kill it a pause after a condition holds."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    reaped, status, usage = 0, 0, None
    while not reaped:
        if kill_when is None:
            reaped, status, usage = os.wait4(process.pid, 0)
            break
        if kill_when():
            time.sleep(pause)
            os.kill(process.pid, signal.SIGKILL)
            kill_when = None
            continue
        if time.perf_counter() - start > DEADLINE_SECONDS:
            process.kill()
            raise AssertionError(f"{command[0]} still runs after {DEADLINE_SECONDS} s")
        reaped, status, usage = os.wait4(process.pid, os.WNOHANG)
        time.sleep(0.001)
    process.returncode = os.waitstatus_to_exitcode(status)
    # In KiB, of the largest process.
    return Run(time.perf_counter() - start, usage.ru_maxrss * 1024 if usage else 0, process.returncode)


def _kept(download: Download) -> int:
    """Bytes that the next run will not download again."""
    kept = 0
    for staging in download.store.staging.glob(f"model-{download.model.folder}-*"):
        kept += sum(path.stat().st_size for path in (staging / "snapshot").rglob("*") if path.is_file())
        for log in (staging / "parts").glob("*.journal"):
            kept += _logged_bytes(log, download.part_bytes)
    return kept


def _logged_bytes(log: Path, part_bytes: int) -> int:
    size = log.with_suffix("").stat().st_size
    numbers = {int(line.split()[0]) for line in log.read_text().splitlines(keepends=True)[1:] if line[-1] == "\n"}
    return sum(min(part_bytes, size - number * part_bytes) for number in numbers)


def _wait_until_idle(hub: FakeHub) -> None:
    """Wait until the hub has noticed that its client has disconnected."""
    while hub.busy:
        time.sleep(0.002)
