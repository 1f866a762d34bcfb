"""Compares content with the hashes that a hub lists."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from .hub import RemoteFile

_CHUNK = 1 << 20


class ContentHash:
    """Hashes the bytes of one file, given in order, and compares the result with its listing."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        # The id of a git blob is the sha1 of this header and the content.
        self._git = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
        self.count = 0

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def update(self, chunk: bytes | memoryview) -> None:
        self.count += len(chunk)
        self._sha256.update(chunk)
        if self._file.git:
            self._git.update(chunk)

    def update_from(self, stream: BinaryIO) -> None:
        while chunk := stream.read(_CHUNK):
            self.update(chunk)

    def mismatch(self) -> str | None:
        """How the bytes differ from the listing, or None if they match."""
        if self.count != self._file.size:
            return f"{self.count} bytes, listed {self._file.size}"
        if self._file.sha256:
            return None if self.sha256 == self._file.sha256 else f"sha256 {self.sha256}, listed {self._file.sha256}"
        found = self._git.hexdigest()
        return None if found == self._file.git else f"git blob {found}, listed {self._file.git}"


def verified_sha256(file: RemoteFile, path: Path) -> str | None:
    """The sha256 of a local file if its content matches the listing, else None."""
    content = ContentHash(file)
    with path.open("rb") as stream:
        content.update_from(stream)
    return None if content.mismatch() else content.sha256
