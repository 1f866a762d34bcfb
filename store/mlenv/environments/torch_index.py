"""Lets torch come from an index of its own.

The index of PyTorch's CPU builds also has other packages, in older versions. So it must serve torch alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.errors import UsageError

PACKAGES = ("torch", "torchvision", "torchaudio")
"""The packages that are built for one accelerator."""

_TORCH = re.compile(rf"\s*(?P<name>{'|'.join(PACKAGES)})\b(?![-.])", re.IGNORECASE)


def names_torch(source: Path) -> bool:
    """Whether a list itself requires one of `PACKAGES`."""
    return any(map(_TORCH.match, source.read_text(encoding="utf-8").splitlines()))


def project_text(lists: Iterable[Path], index: str) -> str:
    """A pyproject.toml with the requirements of the lists, which takes `PACKAGES` from `index`.

    uv follows this only for packages that the project requires itself, so a list that gets torch through another
    package has to name it. Raises UsageError for lines that are no requirements.
    """
    requirements = [requirement for source in lists for requirement in _requirements(source)]
    named = {match["name"].lower() for match in map(_TORCH.match, requirements) if match}
    sources = [f'{name} = {{ index = "torch" }}' for name in PACKAGES if name in named]
    # JSON's strings and lists are TOML too.
    return "\n".join(
        [
            "[project]",
            'name = "lists"',
            'version = "0"',
            f"dependencies = {json.dumps(requirements)}",
            "",
            "[[tool.uv.index]]",
            'name = "torch"',
            f"url = {json.dumps(index)}",
            "explicit = true",
            "",
            "[tool.uv.sources]",
            *sources,
            "",
        ]
    )


def _requirements(source: Path) -> Iterator[str]:
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        requirement = re.sub(r"(^|\s)#.*", "", line).strip()
        if requirement.startswith("-") or requirement.endswith("\\"):
            raise UsageError(
                f"{source.name}, line {number}: {line.strip()!r} is no requirement; with an index for torch alone, "
                "a list has one requirement on each line and no options"
            )
        if requirement:
            yield requirement
