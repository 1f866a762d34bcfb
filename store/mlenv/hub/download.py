"""Files of one model into one directory, each proven by the hash that the hub lists for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..core import failpoints, progress
from ..core.errors import WrongContentError
from ..core.model import Model
from .content_hash import prove
from .download_progress import Meter
from .hub import Hub, RemoteFile
from .mirrors import Sources
from .resume_log import Journal
from .transfer import Transfer


@dataclass(frozen=True)
class Lanes:
    """How a large file is fetched: so many connections at once, each for one part of so many bytes after another.

    What a killed run had under way is fetched again: at most one part a connection, 15.7 MB with these figures.
    """

    connections: int = 4
    part_bytes: int = 15 * (1 << 18)


@dataclass(frozen=True)
class Bring:
    """Files to bring into a directory. `scratch` keeps what is half there for the next run; both on one file system."""

    sources: Sources
    model: Model
    files: Sequence[RemoteFile]
    into: Path
    scratch: Path
    lanes: Lanes = field(default_factory=Lanes)


def bring(request: Bring) -> dict[str, str]:
    """Make sure that every file is in the directory, with the content that it is listed with; returns path -> sha256.

    A file gets its name there only after it was proven; one that is there already is proven too, and fetched if it is
    not the right one. Nothing is synced: that is for the caller, before anything refers to the directory.
    Raises HubError; what was fetched stays in `scratch` and `into` for the next attempt.
    """
    request.scratch.mkdir(mode=0o755, parents=True, exist_ok=True)
    meter = Meter(str(request.model), sum(file.size for file in request.files))
    with ThreadPoolExecutor(request.lanes.connections, "fetch") as pool:
        return {file.path: _bring(request, file, pool, meter) for file in request.files}


def _bring(request: Bring, file: RemoteFile, pool: Executor, meter: Meter) -> str:
    target = request.into / file.path
    clock = progress.Clock()
    if target.exists():
        if digest := prove(file, target):
            meter.skip(file.size)
            return digest
        target.unlink()

    def from_one(hub: Hub, attempts: int) -> str:
        return _fetch(request, file, hub, attempts, pool, meter)

    digest = request.sources.ask(from_one)
    progress.say(f"{file.path}: {progress.size(file.size)}, fetched in {clock}")
    failpoints.reach("fetch.file")
    return digest


def _fetch(request: Bring, file: RemoteFile, hub: Hub, attempts: int, pool: Executor, meter: Meter) -> str:
    """One file from one hub. What proves wrong is thrown away, and tried again if an earlier run had a hand in it."""
    part_bytes = request.lanes.part_bytes
    identity = f"mlenv journal 1: {file.size} bytes, {file.sha256 or file.git}, parts of {part_bytes}"
    path = request.scratch / hashlib.sha256(identity.encode()).hexdigest()[:32]
    mark = meter.mark()
    while True:
        meter.rewind(mark)
        journal = Journal(path, file.size, identity)
        inherited = bool(journal.checksums)
        try:
            transfer = Transfer(hub, request.model, file, journal, part_bytes, attempts, meter)
            digest = transfer.run(pool, request.lanes.connections)
        except WrongContentError:
            journal.discard()
            if not inherited:
                raise
            progress.say(f"{file.path}: what an earlier run left is not part of it, starting again")
        else:
            journal.publish(request.into / file.path)
            return digest
        finally:
            journal.close()
