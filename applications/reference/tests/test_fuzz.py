"""A short run of `tests.fuzz`; `./archon test-soak` has the long one."""

import subprocess
import sys

import pytest

from tests import fuzz
from tests.processes import SERVER


@pytest.mark.parametrize("kind", fuzz.SEEDS)
@pytest.mark.timeout(600)
def test_a_damaged_document_is_read_or_refused_within_the_limits(kind: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--documents=100", "--workers=1", f"--kind={kind}"]
    run = subprocess.run(command, cwd=SERVER, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_parser_that_runs_on_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object) -> object:
        while True:
            pass

    monkeypatch.setattr(fuzz, "CPU_SECONDS", 1)
    monkeypatch.setattr(fuzz.parsing, "parser", lambda _: endless)
    monkeypatch.setattr(fuzz.extraction.subprocesses, "start", None)
    monkeypatch.setattr(fuzz.parsing, "CPU_SECONDS", 0)
    result = fuzz.fuzz("rst", 0, range(1))
    assert (result.outcomes["failed"], len(result.failures)) == (1, 1)
