"""The lists of the image name what the server imports, and nothing else."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.processes import SERVER

OF_THE_ENVIRONMENT = {"safetensors", "sentence-transformers", "torch", "transformers"}
"""Imported only by what needs a model. They are in the store."""

NOT_IMPORTED = {"sqlite-vec": "SQLite loads its library", "websockets": "uvicorn finds it"}
MODULES = {"socketio": "python-socketio"}
"""Names of packages that are not those of their modules."""


def imported(source: str) -> set[str]:
    """The packages that a module imports, without the standard library and our own."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module)
    modules = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    return {MODULES.get(name, name.replace("_", "-")) for name in modules}


def listed(name: str) -> set[str]:
    lines = (SERVER / f"requirements.server.{name}.in").read_text().splitlines()
    return {re.split(r"[\[<>=]", line)[0] for line in lines if line and not line.startswith("#")}


def packages_of(sources: list[Path]) -> set[str]:
    return set().union(*(imported(source.read_text()) for source in sources)) - OF_THE_ENVIRONMENT


SOURCES = sorted((SERVER / "archon_server").rglob("*.py"))
WITH_BROWSER = [source for source in SOURCES if source.stem == "browser_fetcher"]


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("minimal", [source for source in SOURCES if source not in WITH_BROWSER]),
        ("browser", WITH_BROWSER),
    ],
)
def test_a_list_names_what_is_imported(name: str, sources: list[Path]) -> None:
    assert sources
    assert listed(name) - set(NOT_IMPORTED) == packages_of(sources)


def test_an_import_is_found() -> None:
    source = "import os, a_b.c\nfrom socketio.x import y\nfrom . import z\ndef f():\n    import later"
    assert imported(source) == {"a-b", "python-socketio", "later"}
