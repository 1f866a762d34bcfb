"""One file from a hub to its place in staging, proven by its hash, continued where an earlier attempt broke off."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import BinaryIO

from . import failpoints, progress
from .hub import TRANSIENT, Hub, HubError, RemoteFile
from .store import Model

_CHUNK = 1 << 20
_REPORT_SECONDS = 5.0


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

    def take(self, chunk: bytes) -> None:
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


def download(hub: Hub, model: Model, file: RemoteFile, target: Path) -> str:
    """Bring one file; returns its sha256. What `target` holds already is continued, and thrown away if it proves wrong.

    Raises HubError if the hub's bytes are not what its own listing promised, or stop coming.
    """
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    inherited = target.exists() and target.stat().st_size > 0
    proof = _transfer(hub, model, file, target)
    if proof.problem() and inherited:
        progress.say(f"{file.path}: what an earlier run left is not part of it, starting again")
        target.unlink()
        proof = _transfer(hub, model, file, target)
    if problem := proof.problem():
        target.unlink()
        raise HubError(
            f"{model}: {file.path} is not what the hub lists: {problem}. Nothing of the model was put in place. "
            "Run this again; if it stays, a proxy or mirror changes files: use another endpoint (archon:hubEndpoint)."
        )
    return proof.sha256


def _transfer(hub: Hub, model: Model, file: RemoteFile, target: Path) -> Proof:
    """Append to the target until it has the listed size, or more."""
    with target.open("a+b") as stream:
        stream.seek(0)
        proof = Proof(file)
        proof.take_all(stream)
        if proof.count:
            progress.say(f"{file.path}: {progress.size(proof.count)} of {progress.size(file.size)} are there already")
        attempt = 0
        while proof.count < file.size:
            before = proof.count
            response, start = hub.open(model, file.path, before)
            with response:
                if start != before:
                    # The server does not do ranges: it starts from the beginning, and so does the file.
                    stream.truncate(0)
                    proof = Proof(file)
                reason = _receive(response, stream, file, proof)
            if proof.count < file.size:
                attempt = 1 if proof.count > before else attempt + 1
                hub.pause(attempt, f"{file.path}: {reason} after {proof.count} of {file.size} bytes")
    return proof


def _receive(response: BinaryIO, stream: BinaryIO, file: RemoteFile, proof: Proof) -> str:
    """Read one response to its end, or until it is too long; returns why it ended."""
    reported = time.monotonic()
    while proof.count <= file.size:
        try:
            chunk = response.read(_CHUNK)
        except TRANSIENT as error:
            return f"{type(error).__name__}: {error}"
        if not chunk:
            return "the connection ended"
        stream.write(chunk)
        proof.take(chunk)
        failpoints.reach("fetch.downloading")
        if time.monotonic() - reported >= _REPORT_SECONDS:
            reported = time.monotonic()
            progress.say(f"{file.path}: {progress.size(proof.count)} of {progress.size(file.size)}")
    return "it is longer than listed"
