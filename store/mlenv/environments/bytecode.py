"""Byte code for an environment. Servers mount it read-only, so what is not compiled now would be compiled at every
start.

The files are *unchecked-hash* .pyc files: Python uses them without checking the source, whose time stamps mean nothing
here. They are compiled for the path at which a server sees them, so that tracebacks name it. Compiling takes as long as
installing, therefore the result is cached for each distribution (name, version and hash of its RECORD) and linked into
every environment with that distribution.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import marshal
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

from ..core.errors import DamagedPackagesError
from ..store.files import FileEntry
from .distributions import Distribution
from .interpreter import SITE_PACKAGES

MOUNT = "/root/.local"
"""Where a server sees the environment."""

SUMS = "sums.tsv"
"""In each cached directory: the hashes of its files, so that damage in the cache is detected before it spreads."""

_BATCH = 64
"""Sources that a worker compiles before it reports back."""

_UNCHECKED_HASH = 0b01
"""The flags in the header of a .pyc that Python uses without looking at its source (PEP 552)."""

_PR_SET_PDEATHSIG = 1
"""An option of prctl(2): the signal to get when the parent dies."""


@dataclass
class Bytecode:
    """The result of `add`.

    `fresh` are directories to keep in the cache once their bytes are on the disk, by cache key. `owners` maps the path
    of every byte code file to its distribution, `cached_digests` the paths that came from the cache to the hash
    recorded there. `refused` are the sources that do not compile, with the reason.
    """

    fresh: dict[str, Path] = field(default_factory=dict)
    cached_digests: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    compiled: int = 0
    linked: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def new(self) -> set[str]:
        """Paths of the byte code that was not in the cache."""
        return self.owners.keys() - self.cached_digests.keys()


def cache_key(base: Path, distribution: Distribution) -> str:
    """The name under which the byte code of a distribution is kept."""
    digest = hashlib.sha256((base / distribution.record).read_bytes()).hexdigest()
    return f"{distribution.name}-{distribution.version}-{digest}"


def add(
    base: Path, distributions: Iterable[Distribution], cache: Path, scratch: Path, after_batch: Callable[[], None]
) -> Bytecode:
    """Put byte code beside every source of an environment.

    `base` is the unfinished user base, `scratch` an empty directory on the same file system. `after_batch` is called
    after every 64 sources. Sources that this Python cannot compile (templates, tests of syntax errors) are only listed:
    importing them fails later. Raises DamagedPackagesError if the cache is damaged.
    """
    result = Bytecode()
    jobs: list[_Job] = []
    cached: list[tuple[Path, str]] = []
    for distribution in distributions:
        sources = [file.path for file in distribution.files if _is_source(file.path)]
        if not sources:
            continue
        key = cache_key(base, distribution)
        kept = cache / sys.implementation.cache_tag / key
        if kept.is_dir():
            cached.append((kept, distribution.name))
            continue
        result.fresh[key] = scratch / key
        jobs += [_Job(distribution.name, base, source, scratch / key / _target(source)) for source in sources]
    with _compiling(jobs, after_batch) as compiled:
        # Links take a processor little time, so they are made meanwhile.
        for kept, name in cached:
            _link_cached(kept, base, name, result)
        for job, problem in compiled:
            if problem:
                result.refused.append(f"{job.source}: {problem}")
                continue
            _link(str(job.target), f"{base}/{_target(job.source)}")
            result.owners[_target(job.source)] = job.distribution
            result.compiled += 1
    return result


def prepare_for_cache(result: Bytecode, cache: Path, entries: Iterable[FileEntry]) -> list[tuple[Path, Path]]:
    """Write the hashes into the fresh directories; returns (directory, its place in the cache) for each, to be moved
    once everything is on the disk."""
    digests = {entry.path: entry.sha256 for entry in entries}
    moves = []
    for key, directory in result.fresh.items():
        if not directory.is_dir():
            continue
        paths = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.pyc"))
        (directory / SUMS).write_text("".join(f"{digests[path]}\t{path}\n" for path in paths))
        moves.append((directory, cache / sys.implementation.cache_tag / key))
    return moves


def seen_at(path: str) -> str:
    """Where a server sees a file of the environment."""
    return f"{MOUNT}/{path}"


def cached_directories(cache: Path, names: frozenset[str]) -> list[Path]:
    """The directories of the cache that hold byte code of the named distributions, in any version."""
    kept = (cache / sys.implementation.cache_tag).glob("*")
    return [directory for directory in kept if directory.name.rsplit("-", 2)[0] in names]


def byte_code(source: bytes, path: str) -> bytes:
    """The content of a .pyc. `path` is where tracebacks say that the source is. Raises what `compile` raises."""
    *_, current = variants(source, path)
    return current


def variants(source: bytes, path: str) -> Iterator[bytes]:
    """The .pyc files that earlier versions of this tool may have made of a source, then the one that `byte_code` makes.

    CPython shares equal constants of a module. Whether it shares equal frozen sets of strings (`x in {"a", "b"}`)
    depends on whether these strings were interned before: by another module, or by an earlier compilation of this one.
    In the closure of torch this affected 1 in 2,000 sources. A second compilation, while the first result keeps all its
    strings interned, always gives the same bytes, so that a lost file can be made again byte by byte.
    """
    first = _code(source, path)
    if _has_frozensets(first):
        yield _pyc(source, first)
        # `first` is still alive and keeps the strings interned.
        yield _pyc(source, _code(source, path))
    else:
        yield _pyc(source, first)


@dataclass(frozen=True)
class _Job:
    distribution: str
    base: Path
    source: str
    target: Path


def _is_source(path: str) -> bool:
    return path.endswith(".py") and path.startswith(f"{SITE_PACKAGES}/")


def _target(source: str) -> str:
    return importlib.util.cache_from_source(source)


def _link_cached(kept: Path, base: Path, name: str, result: Bytecode) -> None:
    try:
        for line in (kept / SUMS).read_text().splitlines():
            digest, path = line.split("\t")
            _link(f"{kept}/{path}", f"{base}/{path}")
            result.cached_digests[path] = digest
            result.owners[path] = name
            result.linked += 1
    except (FileNotFoundError, ValueError) as error:
        message = f"the byte code of {name} in the cache is damaged ({error})"
        raise DamagedPackagesError(message, frozenset({name})) from None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        Path(target).parent.mkdir(mode=0o755, exist_ok=True)
        os.link(source, target)
    except FileExistsError:
        # Two distributions may own one path; both compiled the same installed source.
        return


@contextmanager
def _compiling(jobs: Sequence[_Job], after_batch: Callable[[], None]) -> Iterator[Iterable[tuple[_Job, str | None]]]:
    """Compile in the background, in one process per processor. Yields each job with None, or with the reason why its
    source does not compile."""
    batches = [jobs[start : start + _BATCH] for start in range(0, len(jobs), _BATCH)]
    if not batches:
        yield ()
        return
    workers = min(os.cpu_count() or 2, len(batches))
    # Forked workers need not import anything; _die_with_parent ends them with this process.
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent, initargs=(os.getpid(),))
    try:
        yield _results(batches, pool.map(_compile_batch, batches), after_batch)
    finally:
        pool.shutdown(cancel_futures=True)


def _results(
    batches: Iterable[Sequence[_Job]], results: Iterable[list[str | None]], after_batch: Callable[[], None]
) -> Iterator[tuple[_Job, str | None]]:
    for batch, problems in zip(batches, results, strict=True):
        yield from zip(batch, problems, strict=True)
        after_batch()


def _compile_batch(batch: Sequence[_Job]) -> list[str | None]:
    return [_compile_one(job) for job in batch]


def _compile_one(job: _Job) -> str | None:
    job.target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    source = (job.base / job.source).read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = byte_code(source, seen_at(job.source))
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        return str(error).strip().splitlines()[-1]
    job.target.write_bytes(content)
    job.target.chmod(0o644)
    return None


def _die_with_parent(parent: int) -> None:
    """Kill this process when its parent dies: otherwise a killed run leaves workers that hold its lock forever."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _code(source: bytes, path: str) -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def _pyc(source: bytes, code: CodeType) -> bytes:
    flags = _UNCHECKED_HASH.to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + marshal.dumps(code)


def _has_frozensets(code: CodeType) -> bool:
    return any(
        isinstance(constant, frozenset) or (isinstance(constant, CodeType) and _has_frozensets(constant))
        for constant in code.co_consts
    )
