"""A short seeded part of the fault suite; the long one is `./archon test-soak --runs 1000`."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .run_mlenv import ROOT


@pytest.mark.timeout(600)
def test_random_faults_leave_no_broken_state():
    command = [sys.executable, "-m", "mlenv.tests.faults", "--runs", "25", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.endswith(" s")
    assert "; 0 broken states, 0 wrong collections, in " in last
    # Without kills, the test would show nothing.
    counts = re.match(r"faults: 25 runs, ([\d,]+) operations, ([\d,]+) killed, ", last)
    assert counts
    assert int(counts[1].replace(",", "")) > 200
    assert int(counts[2].replace(",", "")) > 20
