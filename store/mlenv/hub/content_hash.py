"""Whether bytes are those of a hub's listing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from .hub import RemoteFile

_CHUNK = 1 << 20


class Proof:
    """Takes a file's bytes in order and says whether they are those of a listing."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        # git names a blob by the sha1 of this header and the content.
        self._git = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
        self.count = 0

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def take(self, chunk: bytes | memoryview) -> None:
        self.count += len(chunk)
        self._sha256.update(chunk)
        if self._file.git:
            self._git.update(chunk)

    def take_all(self, stream: BinaryIO) -> None:
        while chunk := stream.read(_CHUNK):
            self.take(chunk)

    def problem(self) -> str | None:
        """None, or what is wrong with the bytes taken."""
        if self.count != self._file.size:
            return f"{self.count} bytes, listed {self._file.size}"
        if self._file.sha256:
            return None if self.sha256 == self._file.sha256 else f"sha256 {self.sha256}, listed {self._file.sha256}"
        found = self._git.hexdigest()
        return None if found == self._file.git else f"git blob {found}, listed {self._file.git}"


def prove(file: RemoteFile, path: Path) -> str | None:
    """The sha256 of a file on the disk if it is the listed one, else None."""
    proof = Proof(file)
    with path.open("rb") as stream:
        proof.take_all(stream)
    return None if proof.problem() else proof.sha256
