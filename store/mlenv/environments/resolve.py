"""Writes lock files: resolves the minimal and the ML list together, then each list alone at the same versions.

Without an ML list, the minimal one is resolved by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core import progress
from ..core.durable import write_text
from ..core.errors import MlenvError, UsageError
from . import interpreter, uv
from .compatibility import cuda_packages
from .distributions import disk_size, installed
from .requirements import LockFile, canonical, parse
from .torch_index import names_torch, project_text


@dataclass(frozen=True)
class ResolveRequest:
    """`minimal` and `ml` are the lists to resolve together; `<name>.in` becomes `<name>.txt` in `output`.

    The lists in `also` are resolved afterwards, at the same versions: the needs of tests must not change the versions
    of servers. Versions of existing lock files are kept if they still fit, unless `upgrade`. `scratch` takes the wheel
    cache and one installation of everything (7 GB), to measure the sizes; default: a temporary directory.

    `accelerator` is "cuda" or "cpu", and says which builds of torch the lock file may hold. `torch_index` is the index
    from which torch and its sister packages come, and nothing else; default: the same indexes as for all packages.
    `exclude_newer` is a day (YYYY-MM-DD): what was published after it does not fit.
    """

    minimal: Path
    ml: Path | None
    output: Path
    also: tuple[Path, ...] = ()
    platform: str = interpreter.PLATFORM
    accelerator: str = "cuda"
    torch_index: str | None = None
    exclude_newer: str | None = None
    upgrade: bool = False
    indexes: uv.Indexes = field(default_factory=uv.Indexes)
    scratch: Path | None = None


def write_lock_files(request: ResolveRequest) -> list[Path]:
    """Resolve, measure and write all lock files; returns their paths. Nothing is written unless everything succeeds.

    Raises UsageError for a missing list, MlenvError if the lists contradict each other, or if a lock file for the
    processor alone would hold packages of CUDA.
    """
    for source in (*_together(request), *request.also):
        if source.suffix != ".in" or not source.is_file():
            raise UsageError(f"{source} is not a file named <something>.in")
    if request.scratch:
        request.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlenv-lock-", dir=request.scratch) as work:
        return _write_lock_files(request, Path(work))


def _write_lock_files(request: ResolveRequest, work: Path) -> list[Path]:
    clock = progress.Clock()
    together = _together(request)
    sources = (*together, *request.also)
    targets = [request.output / f"{source.stem}.txt" for source in sources]
    resolver = _Resolver(request, (request.scratch or work) / "uv", work)

    joint = work / "joint.txt"
    if not request.upgrade:
        joint.write_text(_pins(target for target in targets if target.is_file()))
    progress.info(f"resolving {' and '.join(source.name for source in together)}")
    resolver.resolve(together, joint)
    closures = []
    for source, target in zip(sources, targets, strict=True):
        closure = work / target.name
        if not request.upgrade and target.is_file():
            closure.write_text(_pins([target]))
        resolver.resolve([source], closure, constraint=joint)
        closures.append(parse(closure.read_text()))
    resolved = parse(joint.read_text())
    progress.info(f"resolved {progress.pluralise(len(resolved.requirements), 'package')} in {clock}")
    if request.accelerator == "cpu":
        _require_no_cuda(resolved)

    sizes = resolver.measure(joint, work / "prefix")
    request.output.mkdir(parents=True, exist_ok=True)
    for source, target, closure in zip(sources, targets, closures, strict=True):
        # Only the environment holds torch. The other lists are the same for every accelerator.
        accelerator = request.accelerator if source == request.ml else "cuda"
        write_text(target, render(closure, sizes, source.name, request.platform, accelerator))
        progress.info(f"{target.name}: {progress.pluralise(len(closure.requirements), 'package')}")
    progress.info(f"locked in {clock}")
    return targets


def _together(request: ResolveRequest) -> tuple[Path, ...]:
    return (request.minimal, request.ml) if request.ml else (request.minimal,)


@dataclass(frozen=True)
class _Resolver:
    request: ResolveRequest
    cache: Path
    work: Path

    def resolve(self, sources: Sequence[Path], output: Path, constraint: Path | None = None) -> None:
        """Resolve lists into one lock file. `output` may hold versions to keep, `constraint` versions to require."""
        names = [str(source) for source in sources]
        command = ["pip", "compile", *self._inputs(sources), "--output-file", str(output), "--generate-hashes"]
        command += ["--python-version", interpreter.VERSION, "--python-platform", self.request.platform]
        command += ["--only-binary", ":all:", "--quiet", "--no-header", "--no-annotate"]
        # An extra index is asked first, but one version too old there does not hide the default index. A package that
        # an extra index has in a fitting version never comes from elsewhere, so nobody can take its name on PyPI.
        command += self.request.indexes.strategy("unsafe-first-match")
        if constraint:
            command += ["--constraint", str(constraint)]
        if self.request.exclude_newer:
            command += ["--exclude-newer", self.request.exclude_newer]
        uv.run(command, cache=self.cache, indexes=self.request.indexes, doing=f"resolving {', '.join(names)}")

    def _inputs(self, sources: Sequence[Path]) -> list[str]:
        """The lists. If they name torch, and it has an index of its own: a project with the same requirements, since
        only projects can say which index a package comes from."""
        if not self.request.torch_index or not any(map(names_torch, sources)):
            return [str(source) for source in sources]
        directory = self.work / "-".join(source.stem for source in sources)
        directory.mkdir(mode=0o700)
        project = directory / "pyproject.toml"
        project.write_text(project_text(sources, self.request.torch_index), encoding="utf-8")
        return [str(project)]

    def measure(self, lock: Path, prefix: Path) -> dict[str, int]:
        """Install everything once; returns the bytes that each package occupies."""
        uv.install(
            lock,
            prefix,
            cache=self.cache,
            indexes=self.request.indexes.with_extra(self.request.torch_index),
            options=["--python-version", interpreter.VERSION, "--python-platform", self.request.platform],
            doing="measuring the packages by installing them",
        )
        return {distribution.name: disk_size(prefix, distribution) for distribution in installed(prefix)}


def _require_no_cuda(lock: LockFile) -> None:
    found = cuda_packages(lock)
    if found:
        raise MlenvError(
            f"the lock file for the accelerator cpu would hold {', '.join(found)}, which only CUDA needs: the index "
            "has torch built with CUDA. Name an index of CPU builds (archon:torchIndex), and torch in the list. "
            "Nothing was written."
        )


def render(lock: LockFile, sizes: dict[str, int], source: str, platform: str, accelerator: str = "cuda") -> str:
    """The text of a lock file: packages by name, hashes sorted, so that the same resolution gives the same bytes."""
    # Stable: environment keys are derived from these bytes.
    lines = [
        f"# Written by `mlenv lock` (npm run lock) from {source}; do not edit.",
        f"# python: {interpreter.TAG}",
        f"# platform: {platform}",
    ]
    # Lock files from before there was a choice are for CUDA and do not say so.
    if accelerator != "cuda":
        lines.append(f"# accelerator: {accelerator}")
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
