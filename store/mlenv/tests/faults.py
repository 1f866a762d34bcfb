"""Kills random operations on a store at random: nothing incomplete may ever be visible, nothing needed ever missing.

    python -m mlenv.tests.faults --runs 1000 --seed 1

Every run has a store of its own, some on a small file system that fills up. In every step one or two operations run at
once; each may be killed by SIGKILL at a random moment or at a named step. Then the store is checked, and the same
operations must succeed undisturbed. Run number N of seed S is run 0 of seed S + N, except for the moments of kills.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from mlenv.store.initialise import initialise

from .fault_world import MODELS, Tally, World
from .killable_run import file_system, hub_process
from .wheels import Wheel, make_wheel

STEPS = 4


def run(seed: int, wheels: list[Wheel], endpoint: str, directory: Path, tally: Tally) -> None:
    """One run: a new store, some steps, and the end."""
    chance = random.Random(seed)
    small = chance.random() < 0.3
    size = chance.randrange(120_000, 600_000) if small else None
    with file_system(directory, size) as disk:
        store = initialise(disk / "store", [], (os.getuid(), os.getgid()))
        world = World(store, wheels, endpoint, chance, tally)
        world.begin(small)
        for _ in range(STEPS):
            world.step(small)
        world.finish()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tally, began = Tally(), time.monotonic()
    reported = 0
    with tempfile.TemporaryDirectory(prefix="mlenv-faults-") as scratch, hub_process(MODELS) as endpoint:
        wheels = [
            make_wheel(
                Path(scratch, "wheels"), name, files={f"{name}.py": f"A = '{name}'\n", f"{name}.bin": name * 5000}
            )
            for name in ("alpha", "beta", "gamma", "delta")
        ]
        for number in range(options.runs):
            directory = Path(scratch, f"run{number}")
            run(options.seed + number, wheels, endpoint, directory, tally)
            shutil.rmtree(directory)
            for what in (*tally.broken, *tally.wrong)[reported:]:
                print(f"seed {options.seed + number}: {what}", flush=True)
            reported = len(tally.broken) + len(tally.wrong)
    print(tally.line(options.runs, time.monotonic() - began), flush=True)
    return 1 if reported else 0


if __name__ == "__main__":
    sys.exit(main())
