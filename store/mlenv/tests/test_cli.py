"""The command line: usage, help and exit statuses."""

from __future__ import annotations

import pytest

from mlenv.store.store import Store

from .run_mlenv import mlenv


def test_no_command_prints_the_usage():
    result = mlenv()
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("usage: mlenv ")


@pytest.mark.parametrize(
    "command",
    [
        "init",
        "populate",
        "fetch",
        "verify",
        "repair",
        "hold",
        "collect",
        "prune",
        "list",
        "purge",
        "record",
        "resolve",
        "export",
        "import",
        "lock",
    ],
)
def test_every_command_explains_itself(command: str):
    result = mlenv(command, "--help")
    assert result.status == 0
    assert result.out.startswith(f"usage: mlenv {command} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("populate", "--key", "k", "--lock", "file.txt"),
        ("fetch", "--repo", "a/b", "--revision", "0" * 40, "--archive", "file.tar"),
        ("populate", "--key", "k"),
        ("verify", "--quick"),
        ("export", "--output", "file.tar"),
        ("fetch", "--repo", "a/b", "--revision", "0" * 40, "--connections", "0"),
        ("prune", "--everything"),
    ],
)
def test_wrong_usage_ends_with_2(store: Store, arguments: tuple[str, ...]):
    command, *options = arguments
    assert mlenv(command, "--store", store.root, *options).status == 2
