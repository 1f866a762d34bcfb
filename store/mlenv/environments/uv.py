"""Runs uv. Prints its output as progress, and turns its failures into errors that say what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import progress
from ..core.errors import DamagedPackagesError, MlenvError, NoSpaceError
from .requirements import canonical

BASE_PYTHON = Path(getattr(sys, "_base_executable", sys.executable))
"""The interpreter of the image, even if this tool runs in a virtual environment, where the user site is disabled."""


@dataclass(frozen=True)
class Indexes:
    """Where packages come from. By default uv's own index, or what the environment variables UV_* name.

    A wheelhouse, a directory of wheels, replaces all indexes, so that it works on a host without a network.
    """

    index: str | None = None
    extra: tuple[str, ...] = ()
    wheelhouse: Path | None = None

    def with_extra(self, url: str | None) -> Indexes:
        """The same indexes with one more, which is asked last of the extra ones; None adds nothing."""
        return replace(self, extra=(*self.extra, url)) if url else self

    def strategy(self, name: str) -> list[str]:
        """Options for uv to search several indexes by the strategy of that name.

        None for a single index: with a strategy of its own, uv does not say that an index rejected the credentials.
        """
        return ["--index-strategy", name] if self.extra else []

    def arguments(self) -> list[str]:
        """Options for uv."""
        return ["--find-links", str(self.wheelhouse), "--no-index"] if self.wheelhouse else []

    def environment(self) -> dict[str, str]:
        """Variables for uv. Index URLs may carry a password, and command lines can be read by every user."""
        variables = {}
        if self.index:
            variables["UV_DEFAULT_INDEX"] = self.index
        if self.extra:
            variables["UV_INDEX"] = " ".join(self.extra)
        return variables


def run(
    arguments: Sequence[str],
    *,
    cache: Path | None,
    indexes: Indexes | None = None,
    keep_open: Iterable[int] = (),
    doing: str,
    report: Callable[[str], None] = progress.info,
) -> None:
    """Run uv and wait for it. `doing` names the work in errors, `report` gets the lines of its output, `keep_open` are
    descriptors that uv inherits.

    A file lock in `keep_open` is held as long as uv runs, even if this process is killed, so no other run clears the
    directory that uv still writes to. Raises MlenvError with uv's output: NoSpaceError for a full disk,
    DamagedPackagesError for packages that are incomplete in the wheel cache.
    """
    indexes = indexes or Indexes()
    command = [str(_executable()), *arguments, *indexes.arguments()]
    output: list[str] = []
    with subprocess.Popen(
        command,
        env=_environment(cache, indexes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        pass_fds=tuple(keep_open),
    ) as process:
        try:
            for line in process.stderr or ():
                text = line.rstrip()
                output.append(text)
                if text and not _LISTING.match(text):
                    report(f"uv: {text.strip()}")
            status = process.wait()
        except BaseException:
            process.kill()
            raise
    if status:
        raise classify_failure(doing, output, status)


def install(
    lock: Path,
    prefix: Path,
    *,
    cache: Path | None,
    indexes: Indexes,
    options: Sequence[str] = (),
    keep_open: Iterable[int] = (),
    doing: str,
    report: Callable[[str], None] = progress.info,
) -> None:
    """Install exactly the packages of a lock file below a prefix, each file as a hard link into the cache. Errors as in
    `run`."""
    command = ["pip", "install", "--prefix", str(prefix), "--python", str(BASE_PYTHON), "--requirements", str(lock)]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "hardlink", *options]
    # The hashes decide which files are accepted, so a package may come from any index. By default uv looks only at the
    # first one that has the name, even if the pinned version is on another one.
    command += indexes.strategy("unsafe-best-match")
    run(command, cache=cache, indexes=indexes, keep_open=keep_open, doing=doing, report=report)
    # uv leaves its own lock file there, writable for all users.
    (prefix / ".lock").unlink(missing_ok=True)


def is_cached(cache: Path, name: str, version: str) -> bool:
    """Whether the wheel cache holds a package, so that installing it takes no space.

    It looks for uv's directories by name. If a new version of uv arranges them differently, this returns False, and the
    needed space is overestimated.
    """
    directory = f"{name}/{version}-*"
    patterns = (f"wheels-v*/*/{directory}", f"wheels-v*/*/*/{directory}")
    return any(path.is_dir() for pattern in patterns for path in cache.glob(pattern))


def remove_from_cache(cache: Path, names: Sequence[str]) -> None:
    """Remove packages from the wheel cache."""
    run(["cache", "clean", *names], cache=cache, doing=f"cleaning the wheel cache of {', '.join(names)}")


def classify_failure(doing: str, output: Sequence[str], status: int) -> MlenvError:
    """The error for a failed uv: its whole output, and what to do about it."""
    text = "\n".join(output).strip("\n") or "(no output)"
    remedy = next((advice for pattern, advice in _REMEDIES if pattern.search(text)), _UNKNOWN)
    body = "\n".join(f"  | {line}" for line in text.splitlines() if not _LISTING.match(line))
    message = f"{doing} failed: uv ended with status {status}:\n{body}\n{remedy}"
    if remedy is _NO_SPACE:
        return NoSpaceError(message)
    broken = frozenset(canonical(match["name"]) for match in _BROKEN_IN_CACHE.finditer(text))
    return DamagedPackagesError(message, broken) if broken else MlenvError(message)


def _executable() -> Path:
    beside = [
        str(Path(sys.executable).parent),
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", "posix_user"),
    ]
    found = shutil.which("uv") or shutil.which("uv", path=os.pathsep.join(beside))
    if not found:
        raise MlenvError("uv is not on PATH; the bootstrap image carries it, elsewhere: pip install uv")
    return Path(found)


def _environment(cache: Path | None, indexes: Indexes) -> dict[str, str]:
    settings = {
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        # With the default of 30 s, uv gives up on a busy mirror in the middle of a large wheel.
        "UV_HTTP_TIMEOUT": os.environ.get("UV_HTTP_TIMEOUT", "120"),
        "NO_COLOR": "1",
    }
    if cache:
        settings["UV_CACHE_DIR"] = str(cache)
    return os.environ | settings | indexes.environment()


_BROKEN_IN_CACHE = re.compile(r"Failed to install: \S+\.whl \((?P<name>[^=\s]+)==")
"""A wheel that is in the cache but could not be linked, because its metadata is missing or damaged."""

_LISTING = re.compile(r"\s[+~-] \S+==\S+|Using (Python|CPython) ")
"""Lines of uv's output that are not worth showing: one for each package, and the interpreter."""

_NO_SPACE = (
    "The disk is full. Free space on the file system of the store, or move the store (archon:root), and run this again."
)
_UNKNOWN = "Fix that and run this again: what is downloaded already stays in the wheel cache."
_REMEDIES = [
    (re.compile(r"No space left on device|os error 28\b|os error 122\b|Disk quota exceeded"), _NO_SPACE),
    (
        re.compile(r"Hash mismatch"),
        "A file on the index differs from the one in the lock file. If you trust the new file, renew the lock file "
        "(./archon lock); if not, somebody changed the package: use another index. Of several indexes the first that "
        "has a version is used: leave out an extra one (archon:pythonExtraIndexes) that has other files of it.",
    ),
    (
        re.compile(r"\b40[13] (Unauthorized|Forbidden)|status code: 40[13]|HTTP status.*\b40[13]\b"),
        "The index rejects the credentials. Put them into its URL: https://user:token@host/...",
    ),
    (
        re.compile(
            r"error sending request|dns error|[Cc]onnection (refused|reset)|tcp connect|timed? ?out|Failed to fetch|"
            r"Could not connect|invalid peer certificate|Request failed after"
        ),
        "The package index cannot be reached. Check the network, the proxy and the CA bundle, or name an index that "
        "answers (archon:pythonIndex) or a directory of wheels (archon:wheelhouse).",
    ),
    (
        re.compile(
            r"no wheels? with a matching|no matching (Python|platform)|doesn't have a (wheel|source)|no usable wheels"
        ),
        "There is no wheel of that version for this Python and platform. Renew the lock file (./archon lock). While "
        "locking: an extra index (archon:pythonExtraIndexes) that has the version hides it on the others; for torch "
        "alone use archon:torchIndex.",
    ),
    (
        re.compile(r"filtered by `exclude-newer`"),
        "Nothing that fits was published until that day. Choose a later one (packagesUntil of archon:application). If "
        "the index does not say when it got its files, no day helps: name one that does (archon:pythonIndex).",
    ),
    (
        re.compile(
            r"not found in the (package registry|provided package locations)|there is no version of|No solution found"
        ),
        "The index or wheelhouse lacks a locked version. Use an index that has it, or renew the lock file "
        "(./archon lock). Among several indexes, one that rejects the credentials counts as empty.",
    ),
]
