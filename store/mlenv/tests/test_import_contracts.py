"""Imports between the packages of the store tool go down only, and never in a circle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .run_mlenv import ROOT

CONTRACTS = Path(__file__).with_name("import_contracts.ini")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts for the package `mlenv` that lies below a directory."""
    program = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(sys.argv[1], no_cache=True))"
    )
    command = [sys.executable, "-c", program, CONTRACTS]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def copy_with(target: Path, module: str, line: str) -> None:
    """A copy of the package in which a module has one more import."""
    for source in (ROOT / "mlenv").rglob("*.py"):
        path = target / source.relative_to(ROOT)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
    with (target / module).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{line}\n")


def test_the_packages_keep_the_contracts():
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("mlenv/store/verify.py", "from ..models import fetch", "Packages import only packages below them"),
        ("mlenv/core/disk.py", "from ..store import store", "Packages import only packages below them"),
        ("mlenv/gc/collect.py", "from ..models import fetch", "Packages import only packages below them"),
        ("mlenv/environments/uv.py", "from ..hub import hub", "Only models, their repair and the command line"),
        ("mlenv/store/files.py", "from . import verify", "No circles"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(tmp_path: Path, module: str, line: str, contract: str):
    copy_with(tmp_path, module, line)

    result = lint(tmp_path)

    assert result.returncode == 1
    assert any(contract in row and "BROKEN" in row for row in result.stdout.splitlines()), result.stdout
