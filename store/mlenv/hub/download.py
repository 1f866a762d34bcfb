"""Downloads files of one model into one directory and checks each against the hash that the hub lists for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..core import failpoints, progress
from ..core.errors import WrongContentError
from ..core.model import Model
from .content_hash import verified_sha256
from .download_options import DownloadOptions
from .download_progress import DownloadProgress
from .hub import Hub, RemoteFile
from .mirrors import Mirrors
from .resume_log import ResumeLog
from .transfer import Transfer


@dataclass(frozen=True)
class DownloadRequest:
    """Files to download into the directory `into`. `scratch`, on the same file system, keeps partial files for the next
    run."""

    mirrors: Mirrors
    model: Model
    files: Sequence[RemoteFile]
    into: Path
    scratch: Path
    options: DownloadOptions = field(default_factory=DownloadOptions)


def download(request: DownloadRequest) -> dict[str, str]:
    """Make sure that every file is in the directory with the content of its listing; returns path -> sha256.

    A file gets its name only after its hash was checked. A file that is present is checked too, and downloaded again if
    it differs. Nothing is synced: the caller must do that before anything refers to the directory. Raises HubError;
    what was downloaded stays in `scratch` and `into` for the next attempt.
    """
    request.scratch.mkdir(mode=0o755, parents=True, exist_ok=True)
    overall = DownloadProgress(str(request.model), sum(file.size for file in request.files))
    with ThreadPoolExecutor(request.options.connections, "fetch") as pool:
        return {file.path: _download(request, file, pool, overall) for file in request.files}


def _download(request: DownloadRequest, file: RemoteFile, pool: Executor, overall: DownloadProgress) -> str:
    target = request.into / file.path
    clock = progress.Clock()
    if target.exists():
        if digest := verified_sha256(file, target):
            overall.add_present(file.size)
            return digest
        target.unlink()

    def fetch_from(hub: Hub, attempts: int) -> str:
        return _fetch(request, file, hub, attempts, pool, overall)

    digest = request.mirrors.try_each(fetch_from)
    progress.info(f"{file.path}: {progress.size(file.size)}, fetched in {clock}")
    failpoints.reach("fetch.file")
    return digest


def _fetch(
    request: DownloadRequest, file: RemoteFile, hub: Hub, attempts: int, pool: Executor, overall: DownloadProgress
) -> str:
    """Download one file from one hub. Wrong content is discarded; if parts of it came from an earlier run, the file is
    downloaded once more."""
    part_bytes = request.options.part_bytes
    # Stable: a download that another version of this tool began is resumed.
    identity = f"mlenv journal 1: {file.size} bytes, {file.sha256 or file.git}, parts of {part_bytes}"
    path = request.scratch / hashlib.sha256(identity.encode()).hexdigest()[:32]
    mark = overall.mark()
    while True:
        overall.rewind(mark)
        log = ResumeLog(path, file.size, identity)
        inherited = bool(log.checksums)
        try:
            transfer = Transfer(hub, request.model, file, log, part_bytes, attempts, overall)
            digest = transfer.run(pool, request.options.connections)
        except WrongContentError:
            log.discard()
            if not inherited:
                raise
            progress.info(f"{file.path}: what an earlier run downloaded does not belong to it, starting again")
        else:
            log.publish(request.into / file.path)
            return digest
        finally:
            log.close()
