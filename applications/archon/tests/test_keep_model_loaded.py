"""Kept models, on a package of our own in the place of sentence_transformers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = Path(__file__).parents[1]

PACKAGE = """
loads = []

class CrossEncoder:
    def __init__(self, name, device="cpu"):
        loads.append(name)
        self.weights = object()

class Other(CrossEncoder):
    pass
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "sentence_transformers.py").write_text(PACKAGE)
    return tmp_path


def run(package: Path, code: str, keep: str) -> str:
    """What `code` prints in a process that starts as the server's does."""
    environment = {**os.environ, "PYTHONPATH": f"{package}:{MODULES}", "ARCHON_KEEP_MODEL_LOADED": keep}
    command = [sys.executable, "-c", f"import keep_model_loaded\nimport sentence_transformers as s\n{code}"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


TWICE = "a, b = s.CrossEncoder('m'), s.CrossEncoder('m')\n"


def test_the_second_object_has_the_weights_of_the_first(package: Path) -> None:
    assert run(package, f"{TWICE}print(s.loads, a.weights is b.weights, a is b)", "1") == "['m'] True False"


def test_without_the_variable_every_object_loads(package: Path) -> None:
    assert run(package, f"{TWICE}print(s.loads, a.weights is b.weights)", "") == "['m', 'm'] False"


@pytest.mark.parametrize("other", ["s.CrossEncoder('n')", "s.CrossEncoder('m', device='cuda')", "s.Other('m')"])
def test_other_arguments_or_another_class_are_another_model(package: Path, other: str) -> None:
    assert run(package, f"a, b = s.CrossEncoder('m'), {other}\nprint(a.weights is b.weights)", "1") == "False"


def test_a_model_that_could_not_be_loaded_is_tried_again(package: Path) -> None:
    code = (
        "tries = []\n"
        "def load(self, name):\n"
        "    tries.append(name)\n"
        "    if len(tries) == 1: raise OSError\n"
        "s.CrossEncoder.__init__ = keep_model_loaded.keep_loaded(load)\n"
        "try: s.CrossEncoder('m')\n"
        "except OSError: pass\n"
        "s.CrossEncoder('m'); s.CrossEncoder('m'); print(tries)"
    )
    assert run(package, code, "") == "['m', 'm']"


def test_the_class_is_still_a_class(package: Path) -> None:
    assert run(
        package, "print(isinstance(s.CrossEncoder('m'), s.CrossEncoder), s.CrossEncoder | None)", "1"
    ).startswith("True sentence_transformers.CrossEncoder")
