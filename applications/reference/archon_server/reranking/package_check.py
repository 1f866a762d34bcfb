"""Checks the mounted Python packages: which are installed, and whether they can be imported.

A process that failed to import them cannot try again, because half-imported modules stay. So a separate process tries,
and if it succeeds, the server restarts.
"""

import asyncio
import re
import sys
from importlib.metadata import PackageNotFoundError, version

from . import UnusableModel

PACKAGES = ("torch", "transformers", "sentence-transformers")
OLDEST_SENTENCE_TRANSFORMERS = (5, 4)

CHECK_SECONDS = 5.0
"""How often the import is tried while packages are broken."""

_IMPORT = "import torch, sentence_transformers"
_IMPORT_SECONDS = 180


class BrokenEnvironment(UnusableModel):
    """The packages are missing or cannot be imported."""


def installed_versions() -> dict[str, str | None]:
    """Versions of the packages that matter, without importing them; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def require_environment() -> None:
    """Raises BrokenEnvironment if a package is missing, UnusableModel if it is too old."""
    versions = installed_versions()
    missing = [package for package, found in versions.items() if found is None]
    if missing:
        raise BrokenEnvironment(
            f"{', '.join(missing)} not installed. Is the store's environment mounted at ~/.local? "
            "`./archon verify` checks the store"
        )
    found = versions["sentence-transformers"] or ""
    if tuple(int(number) for number in re.findall(r"\d+", found)[:2]) < OLDEST_SENTENCE_TRANSFORMERS:
        oldest = ".".join(map(str, OLDEST_SENTENCE_TRANSFORMERS))
        raise UnusableModel(
            f"sentence-transformers {found} gives Qwen3-Reranker a random score head without saying so; "
            f"{oldest} or later is needed: raise it in requirements.server.ml.in and run `./archon lock`"
        )


async def is_importable() -> bool:
    """Tries the import in a separate process, which takes seconds and as much memory as the packages need."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _IMPORT, stdout=quiet, stderr=quiet)
    try:
        return await asyncio.wait_for(process.wait(), _IMPORT_SECONDS) == 0
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            process.kill()
