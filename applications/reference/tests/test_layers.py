"""The layers of `.importlinter`: a package imports from those below it only."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.processes import SERVER

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter on the sources in `directory`, by their own `.importlinter`."""
    path = os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_packages_only_import_downwards() -> None:
    linted = lint(SERVER)

    assert "Contracts: 1 kept, 0 broken." in linted.stdout, linted.stdout + linted.stderr
    assert linted.returncode == 0


def test_an_import_upwards_is_found(tmp_path: Path) -> None:
    shutil.copytree(SERVER / "archon_server", tmp_path / "archon_server")
    shutil.copy(SERVER / ".importlinter", tmp_path)
    with (tmp_path / "archon_server" / "storage" / "state.py").open("a") as module:
        module.write("\nfrom ..http import middleware  # noqa: E402\n")

    linted = lint(tmp_path)

    assert "archon_server.storage.state -> archon_server.http.middleware" in linted.stdout, linted.stderr
    assert linted.returncode == 1
