"""What a repair may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from ..environments.uv import Indexes


@dataclass(frozen=True)
class RepairRequest:
    """Where intact files come from.

    `lock` is the text of the lock file, for environments that do not keep theirs; `archive` a tar with the files of a
    model from a directory. `endpoint` overrides the one in a snapshot's manifest; `mirrors` are tried when it fails.
    """

    indexes: Indexes = field(default_factory=Indexes)
    lock: str | None = None
    archive: BinaryIO | None = None
    endpoint: str | None = None
    mirrors: tuple[str, ...] = ()
    token: str | None = None
