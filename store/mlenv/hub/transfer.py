"""Downloads one file from one hub: parts in parallel into a preallocated file, hashed in order while the rest
arrives."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import Executor, wait

from ..core import durable, failpoints, progress
from ..core.model import Model
from .content_hash import ContentHash
from .download_progress import DownloadProgress
from .http_client import CONNECTION_ERRORS, Response, without_secrets
from .http_errors import classify_exception
from .hub import FileUrl, Hub, RemoteFile
from .part_queue import PartQueue, Stopped
from .resume_log import Part, ResumeLog, checksum_of, divide
from .retry import Backoff, TransientError

_READ_BYTES = 1 << 18
_HASH_BYTES = 1 << 20


class Transfer:
    """The download of one file; call `run` once. `log` may hold parts of earlier runs. After `attempts` failures of a
    part in a row, the download fails."""

    def __init__(
        self,
        hub: Hub,
        model: Model,
        file: RemoteFile,
        log: ResumeLog,
        part_bytes: int,
        attempts: int,
        overall: DownloadProgress,
    ) -> None:
        self._hub = hub
        self._file = file
        self._log = log
        self._attempts = attempts
        self._progress = overall
        self._parts = divide(file.size, part_bytes)
        self._done = {part.number for part in self._parts if part.number in log.checksums}
        self._queue = PartQueue(self._parts, self._done)
        self._url = FileUrl(hub, model, file)

    def run(self, pool: Executor, connections: int) -> str:
        """Download the missing parts; returns the sha256 of the whole file.

        Raises WrongContentError if the content differs from the listing, HubError if the hub stops sending.
        """
        missing = len(self._parts) - len(self._done)
        present = sum(part.size for part in self._parts if part.number in self._done)
        if present:
            self._progress.add_present(present)
            name, total = self._file.path, progress.size(self._file.size)
            progress.info(f"{name}: an earlier run fetched {progress.size(present)} of {total}")
        # At least one worker, even if nothing is missing: a part that is present may turn out to be damaged.
        workers = [pool.submit(self._work, index == 0) for index in range(max(1, min(connections, missing)))]
        try:
            return self._verify()
        except BaseException as error:
            self._queue.fail(error)
            self._hub.interrupt()
            raise
        finally:
            self._queue.close()
            wait(workers)

    def _verify(self) -> str:
        content = ContentHash(self._file)
        buffer = memoryview(bytearray(_HASH_BYTES))
        descriptor = self._log.descriptor
        for part in self._queue.in_order():
            recorded = self._log.checksums.get(part.number)
            if recorded is not None and checksum_of(descriptor, part, buffer) != recorded:
                progress.info(f"{self._file.path}: part {part.number} of an earlier run is damaged, fetching it again")
                self._progress.subtract(part.size)
                self._queue.requeue(part)
                self._queue.wait_for(part)
            for at in range(part.start, part.end, _HASH_BYTES):
                count = os.preadv(descriptor, [buffer[: part.end - at]], at)
                content.update(buffer[:count])
        if problem := content.mismatch():
            raise self._url.wrong_content(problem)
        return content.sha256

    def _work(self, first: bool) -> None:
        try:
            while part := self._queue.next(first=first):
                self._fetch(part)
        except Stopped:
            pass
        except BaseException as error:
            self._queue.fail(error)
            self._hub.interrupt()

    def _fetch(self, part: Part) -> None:
        """Download one part; after a broken connection, continue at the byte where it broke."""
        backoff = Backoff(str(self._hub), self._attempts, self._queue.sleep)
        at, checksum = part.start, 0
        while at < part.end and not self._queue.is_done(part):
            try:
                with self._url.open(at, part.end) as response:
                    if response.status == 206:
                        self._queue.confirm_ranges()
                    elif len(self._parts) > 1:
                        return self._receive_whole(response, part, backoff)
                    else:
                        # This part is the whole file, and the server sends it from the beginning.
                        self._progress.subtract(at)
                        at, checksum = 0, 0
                    for chunk in self._chunks(response, part.end - at):
                        self._write(chunk, at)
                        checksum = zlib.crc32(chunk, checksum)
                        at += len(chunk)
                        backoff.reset()
            except TransientError as error:
                backoff.wait_or_raise(error)
        if not self._queue.is_done(part):
            self._finish(part, checksum)
        return None

    def _receive_whole(self, response: Response, requested: Part, backoff: Backoff) -> None:
        """Receive the whole file from a server that ignores ranges. Parts that are present are not written again.

        Raises TransientError if other threads download parts: it would overwrite these, even verified ones.
        """
        if self._queue.ranges_confirmed:
            raise TransientError(f"{without_secrets(response.url)}: asked for a part, got the whole file")
        progress.info(f"{self._file.path}: {self._hub} does not send parts of files, fetching it in one piece")
        for part in self._parts:
            present = self._queue.is_done(part)
            if not present:
                self._queue.remove(part)
            at, checksum = part.start, 0
            try:
                for chunk in self._chunks(response, part.size, count=not present):
                    if not present:
                        self._write(chunk, at)
                        checksum = zlib.crc32(chunk, checksum)
                    at += len(chunk)
            except TransientError:
                if not present:
                    self._progress.subtract(at - part.start)
                if not present and part != requested:
                    self._queue.requeue(part)
                raise
            if not present:
                self._finish(part, checksum)
                backoff.reset()

    def _chunks(self, response: Response, size: int, *, count: bool = True) -> Iterator[memoryview]:
        """`size` bytes of a response; each chunk is valid until the next one. Raises TransientError."""
        buffer = memoryview(bytearray(min(size, _READ_BYTES)))
        left = size
        while left:
            self._queue.require_open()
            try:
                received = response.readinto(buffer[:left])
            except CONNECTION_ERRORS as error:
                raise classify_exception(response.url, error) from error
            if not received:
                raise TransientError(f"{without_secrets(response.url)}: the connection ended {left} bytes early")
            left -= received
            if count:
                self._progress.add(received)
            yield buffer[:received]

    def _write(self, chunk: memoryview, at: int) -> None:
        written = 0
        while written < len(chunk):
            written += os.pwrite(self._log.descriptor, chunk[written:], at + written)
        failpoints.reach("fetch.downloading")

    def _finish(self, part: Part, checksum: int) -> None:
        failpoints.reach("fetch.part")
        self._log.add(part, checksum)
        # The log now has the new checksum; the one of an earlier run no longer matters.
        self._log.checksums.pop(part.number, None)
        self._queue.mark_done(part)
        failpoints.reach("fetch.recorded")
        durable.start_writing(self._log.descriptor, part.start, part.size)
