"""Lock files: a requirements file in which every package is pinned to one version and to its files' hashes.

    torch==2.15.0 \\
        --hash=sha256:0a1b... \\
        --hash=sha256:2c3d...
        # size: 1834722816

The comment after a requirement is the number of bytes that it occupies when installed. Comments of the form
`# name: value` before the first requirement are the header; `platform` and `python` say what the file was resolved for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..core.errors import UsageError
from ..core.progress import bullets

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[^\]]*\])?\s*==\s*(?P<version>[^\s;,*]+)\s*(?P<marker>;.*)?"
)
_HASH = re.compile(r"--hash[=\s](?P<hash>\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_SIZE = re.compile(r"#\s*size:\s*(?P<bytes>\d+)\s*")
_HEADER = re.compile(r"#\s*(?P<name>[a-z]+):\s*(?P<value>\S+)\s*")


@dataclass(frozen=True)
class Requirement:
    """One pinned package. `hashes` as `sha256:<hex>`; `size` in bytes when installed, None if the lock file does not
    say."""

    name: str
    version: str
    hashes: tuple[str, ...]
    size: int | None

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class LockFile:
    """A parsed lock file, in the order of its text."""

    requirements: tuple[Requirement, ...]
    header: dict[str, str] = field(default_factory=dict)

    def version(self, name: str) -> str | None:
        """The pinned version of a package by its canonical name, or None."""
        return next((requirement.version for requirement in self.requirements if requirement.name == name), None)


def canonical(name: str) -> str:
    """The normalised form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> LockFile:
    """Read a lock file. Raises UsageError that lists every line that is not pinned, not hashed or not understood."""
    problems: list[str] = []
    found: dict[str, Requirement] = {}
    header: dict[str, str] = {}
    for number, line in _logical_lines(text):
        if line.startswith("#"):
            if match := _SIZE.fullmatch(line):
                _set_size(found, int(match["bytes"]))
            elif not found and (match := _HEADER.fullmatch(line)):
                header[match["name"]] = match["value"]
            continue
        _read_requirement(number, line, found, problems)
    if not found and not problems:
        problems.append("it has no requirement")
    if problems:
        raise UsageError(
            f"the lock file cannot be used:\n{bullets(problems)}\n"
            "Write it with `mlenv lock` (./archon lock); it pins and hashes every package."
        )
    return LockFile(tuple(found.values()), header)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines, with continuation lines joined and blank lines left out."""
    start, parts = 0, []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not parts:
            start = number
        if line.endswith("\\"):
            parts.append(line[:-1].strip())
            continue
        parts.append(line)
        joined = " ".join(part for part in parts if part)
        parts = []
        if joined:
            yield start, joined
    if parts:
        yield start, " ".join(parts)


def _set_size(found: dict[str, Requirement], size: int) -> None:
    if found:
        name, last = next(reversed(found.items()))
        found[name] = Requirement(last.name, last.version, last.hashes, size)


def _read_requirement(number: int, line: str, found: dict[str, Requirement], problems: list[str]) -> None:
    at = f"line {number}"
    if line.startswith("-"):
        problems.append(
            f"{at}: option {line.split()[0]!r} is not allowed in a lock file; give indexes on the command line"
        )
        return
    declaration = _HASH.sub("", line.split(" #")[0]).strip()
    match = _PIN.fullmatch(declaration)
    if not match:
        problems.append(f"{at}: {declaration!r} is not pinned to one version with ==")
        return
    name = canonical(match["name"])
    if match["marker"]:
        problems.append(
            f"{at}: {name} has a marker {match['marker']!r}; a lock file is for one platform, resolve it for that one"
        )
    hashes = tuple(hit["hash"] for hit in _HASH.finditer(line))
    if not hashes:
        problems.append(f"{at}: {name}=={match['version']} has no --hash")
    problems.extend(
        f"{at}: {name}: {item!r} is not sha256:<64 hex digits>" for item in hashes if not _SHA256.fullmatch(item)
    )
    if name in found:
        problems.append(f"{at}: {name} is listed twice")
        return
    found[name] = Requirement(name, match["version"], hashes, None)
