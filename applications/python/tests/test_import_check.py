"""The check of imports, run as an update runs it: from standard input, in the directory of a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "import_check.py"
ABI = f"cp{sys.version_info.major}{sys.version_info.minor}"


def check(directory: Path, source: str, *arguments: str) -> tuple[int, str]:
    (directory / "server.py").write_text(source)
    result = subprocess.run(
        [sys.executable, "-", *(arguments or (f"--abi={ABI}", "--server=server"))],
        cwd=directory,
        input=PROGRAM.read_text(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return result.returncode, result.stdout.rstrip("\n").rpartition("\n")[2]


def test_what_can_be_imported_passes(tmp_path: Path) -> None:
    assert check(tmp_path, "import json") == (0, "")


def test_a_missing_package_is_named_with_the_place_that_imports_it(tmp_path: Path) -> None:
    code, reason = check(tmp_path, "import json\nimport no_such_package.part\n")
    assert code == 1
    assert reason == (
        f"{tmp_path}/server.py, line 2, imports the module no_such_package, "
        "which neither its image nor its environment has"
    )


def test_a_missing_module_of_the_server_is_named(tmp_path: Path) -> None:
    code, reason = check(tmp_path, "", f"--abi={ABI}", "--server=src.server.main")
    assert (code, reason) == (1, "neither its image nor its environment has the module src")


def test_without_an_environment_only_the_image_lacks_a_module(tmp_path: Path) -> None:
    code, reason = check(tmp_path, "import no_such_package", "--server=server")
    assert code == 1
    assert reason == f"{tmp_path}/server.py, line 1, imports the module no_such_package, which its image does not have"


def test_a_module_of_the_environment_must_be_there_too(tmp_path: Path) -> None:
    code, reason = check(tmp_path, "", f"--abi={ABI}", "--environment=no_such_package")
    assert (code, reason) == (1, "neither its image nor its environment has the module no_such_package")


def test_packages_that_do_not_fit_together_fail(tmp_path: Path) -> None:
    code, reason = check(tmp_path, "from json import nothing")
    assert code == 1
    assert reason.startswith(f"{tmp_path}/server.py, line 1, cannot import what it needs: cannot import name 'nothing'")


def test_another_interpreter_is_refused(tmp_path: Path) -> None:
    code, reason = check(tmp_path, "", "--abi=cp27", "--server=server")
    assert (code, reason) == (1, f"its image has Python for {ABI}, and its environment was made for cp27")


@pytest.mark.parametrize("error", ["raise KeyError('DATABASE_URL')", "raise SystemExit(3)", "open('/data/none')"])
def test_what_only_a_running_server_has_is_no_reason_to_fail(tmp_path: Path, error: str) -> None:
    code, note = check(tmp_path, error)
    assert code == 0
    assert note.startswith("The import of server ends with ")


def test_a_thread_that_an_import_starts_does_not_hold_it_up(tmp_path: Path) -> None:
    source = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"
    assert check(tmp_path, source) == (0, "")
