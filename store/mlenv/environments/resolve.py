"""Writes lock files: resolves the minimal and the ML list together, then each list alone at the same versions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..core import progress
from ..core.durable import write_text
from ..core.errors import UsageError
from . import uv
from .distributions import disk_size, installed
from .requirements import LockFile, canonical, parse

PLATFORM = "x86_64-manylinux_2_28"
PYTHON = "3.11"


@dataclass(frozen=True)
class ResolveRequest:
    """`minimal` and `ml` are the lists to resolve together; `<name>.in` becomes `<name>.txt` in `output`.

    The lists in `also` are resolved afterwards, at the same versions: the needs of tests must not change the versions
    of servers. Versions of existing lock files are kept if they still fit, unless `upgrade`. `scratch` takes the wheel
    cache and one installation of everything (7 GB), to measure the sizes; default: a temporary directory.
    """

    minimal: Path
    ml: Path
    output: Path
    also: tuple[Path, ...] = ()
    platform: str = PLATFORM
    upgrade: bool = False
    indexes: uv.Indexes = field(default_factory=uv.Indexes)
    scratch: Path | None = None


def write_lock_files(request: ResolveRequest) -> list[Path]:
    """Resolve, measure and write all lock files; returns their paths. Nothing is written unless everything succeeds."""
    for source in (request.minimal, request.ml, *request.also):
        if source.suffix != ".in" or not source.is_file():
            raise UsageError(f"{source} is not a file named <something>.in")
    if request.scratch:
        request.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlenv-lock-", dir=request.scratch) as work:
        return _write_lock_files(request, Path(work))


def _write_lock_files(request: ResolveRequest, work: Path) -> list[Path]:
    clock = progress.Clock()
    together = (request.minimal, request.ml)
    sources = (*together, *request.also)
    targets = [request.output / f"{source.stem}.txt" for source in sources]
    resolver = _Resolver(request, (request.scratch or work) / "uv")

    joint = work / "joint.txt"
    if not request.upgrade:
        joint.write_text(_pins(target for target in targets if target.is_file()))
    progress.info(f"resolving {' and '.join(source.name for source in together)} together")
    resolver.resolve(together, joint)
    closures = []
    for source, target in zip(sources, targets, strict=True):
        closure = work / target.name
        if not request.upgrade and target.is_file():
            closure.write_text(_pins([target]))
        resolver.resolve([source], closure, constraint=joint)
        closures.append(parse(closure.read_text()))
    progress.info(f"resolved {progress.pluralise(len(parse(joint.read_text()).requirements), 'package')} in {clock}")

    sizes = resolver.measure(joint, work / "prefix")
    request.output.mkdir(parents=True, exist_ok=True)
    for source, target, closure in zip(sources, targets, closures, strict=True):
        write_text(target, render(closure, sizes, source.name, request.platform))
        progress.info(f"{target.name}: {progress.pluralise(len(closure.requirements), 'package')}")
    progress.info(f"locked in {clock}")
    return targets


@dataclass(frozen=True)
class _Resolver:
    request: ResolveRequest
    cache: Path

    def resolve(self, sources: Iterable[Path], output: Path, constraint: Path | None = None) -> None:
        """Resolve lists into one lock file. `output` may hold versions to keep, `constraint` versions to require."""
        names = [str(source) for source in sources]
        command = ["pip", "compile", *names, "--output-file", str(output), "--generate-hashes"]
        command += ["--python-version", PYTHON, "--python-platform", self.request.platform]
        command += ["--only-binary", ":all:", "--quiet", "--no-header", "--no-annotate"]
        if constraint:
            command += ["--constraint", str(constraint)]
        uv.run(command, cache=self.cache, indexes=self.request.indexes, doing=f"resolving {', '.join(names)}")

    def measure(self, lock: Path, prefix: Path) -> dict[str, int]:
        """Install everything once; returns the bytes that each package occupies."""
        uv.install(
            lock,
            prefix,
            cache=self.cache,
            indexes=self.request.indexes,
            options=["--python-version", PYTHON, "--python-platform", self.request.platform],
            doing="measuring the packages by installing them",
        )
        return {distribution.name: disk_size(prefix, distribution) for distribution in installed(prefix)}


def render(lock: LockFile, sizes: dict[str, int], source: str, platform: str) -> str:
    """The text of a lock file: packages by name, hashes sorted, so that the same resolution gives the same bytes."""
    # Stable: environment keys are derived from these bytes.
    lines = [
        f"# Written by `mlenv lock` (npm run lock) from {source}; do not edit.",
        f"# python: cp{PYTHON.replace('.', '')}",
        f"# platform: {platform}",
    ]
    for requirement in sorted(lock.requirements, key=lambda item: item.name):
        parts = [str(requirement), *(f"    --hash={item}" for item in sorted(requirement.hashes))]
        lines.append(" \\\n".join(parts))
        if requirement.name in sizes:
            lines.append(f"    # size: {sizes[requirement.name]}")
    return "\n".join(lines) + "\n"


def _pins(locks: Iterable[Path]) -> str:
    """The versions of existing lock files, in the form in which uv reads them from its output file."""
    pins = {canonical(item.name): item.version for lock in locks for item in parse(lock.read_text()).requirements}
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))
