"""One file from one hub: parts in parallel into a preallocated file, proven in order while the rest still comes."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import Executor, wait

from ..core import durable, failpoints, progress
from ..core.model import Model
from .content_hash import Proof
from .download_progress import Meter
from .http_client import BROKEN, Answer
from .http_errors import trouble, without_query
from .hub import Address, Hub, RemoteFile
from .part_queue import Parts, Stopped
from .resume_log import Journal, Part, checksum_of, divide
from .retry import Patience, Trouble

_READ_BYTES = 1 << 18
_HASH_BYTES = 1 << 20


class Transfer:
    """`run` once. `journal` may hold what earlier runs fetched; `attempts` is how often in a row a part may fail."""

    def __init__(
        self, hub: Hub, model: Model, file: RemoteFile, journal: Journal, part_bytes: int, attempts: int, meter: Meter
    ) -> None:
        self._hub = hub
        self._file = file
        self._journal = journal
        self._attempts = attempts
        self._meter = meter
        self._every = divide(file.size, part_bytes)
        self._there = {part.number for part in self._every if part.number in journal.checksums}
        self._parts = Parts(self._every, self._there)
        self._address = Address(hub, model, file)

    def run(self, pool: Executor, connections: int) -> str:
        """Fetch what is missing; returns the sha256 of the whole.

        Raises WrongContentError if the bytes are not the listed ones, HubError if they stop coming.
        """
        missing = len(self._every) - len(self._there)
        there = sum(part.size for part in self._every if part.number in self._there)
        if there:
            self._meter.skip(there)
            name, total = self._file.path, progress.size(self._file.size)
            progress.say(f"{name}: an earlier run fetched {progress.size(there)} of {total}")
        # One even if nothing is missing: what is there may prove wrong.
        workers = [pool.submit(self._work, index == 0) for index in range(max(1, min(connections, missing)))]
        try:
            return self._prove()
        except BaseException as error:
            self._parts.fail(error)
            self._hub.interrupt()
            raise
        finally:
            self._parts.finish()
            wait(workers)

    def _prove(self) -> str:
        proof = Proof(self._file)
        buffer = memoryview(bytearray(_HASH_BYTES))
        descriptor = self._journal.descriptor
        for part in self._parts.in_order():
            recorded = self._journal.checksums.get(part.number)
            if recorded is not None and checksum_of(descriptor, part, buffer) != recorded:
                progress.say(f"{self._file.path}: part {part.number} of an earlier run is damaged, fetching it again")
                self._meter.lose(part.size)
                self._parts.ask_again(part)
                self._parts.wait_for(part)
            for at in range(part.start, part.end, _HASH_BYTES):
                count = os.preadv(descriptor, [buffer[: part.end - at]], at)
                proof.take(buffer[:count])
        if problem := proof.problem():
            raise self._address.wrong(problem)
        return proof.sha256

    def _work(self, first: bool) -> None:
        try:
            while part := self._parts.next(first=first):
                self._fetch(part)
        except Stopped:
            pass
        except BaseException as error:
            self._parts.fail(error)
            self._hub.interrupt()

    def _fetch(self, part: Part) -> None:
        """Bring one part, from where a broken connection left it."""
        patience = Patience(str(self._hub), self._attempts, self._parts.sleep)
        at, checksum = part.start, 0
        while at < part.end and not self._parts.is_there(part):
            try:
                with self._address.open(at, part.end) as answer:
                    if answer.status == 206:
                        self._parts.settle()
                    elif len(self._every) > 1:
                        return self._receive_whole(answer, part, patience)
                    else:
                        # All of the file is this part, and it comes from its beginning.
                        self._meter.lose(at)
                        at, checksum = 0, 0
                    for chunk in self._chunks(answer, part.end - at):
                        self._write(chunk, at)
                        checksum = zlib.crc32(chunk, checksum)
                        at += len(chunk)
                        patience.restore()
            except Trouble as error:
                patience.bear(error)
        if not self._parts.is_there(part):
            self._finish(part, checksum)
        return None

    def _receive_whole(self, answer: Answer, asked: Part, patience: Patience) -> None:
        """From a server without ranges: everything from the beginning; what is there already is not written again.

        While other threads are at work it would write their parts too, even after they were proven.
        """
        if self._parts.settled:
            raise Trouble(f"{without_query(answer.url)}: asked for a part, got the whole file")
        progress.say(f"{self._file.path}: {self._hub} does not send parts of files, fetching it in one piece")
        for part in self._every:
            known = self._parts.is_there(part)
            if not known:
                self._parts.withdraw(part)
            at, checksum = part.start, 0
            try:
                for chunk in self._chunks(answer, part.size, count=not known):
                    if not known:
                        self._write(chunk, at)
                        checksum = zlib.crc32(chunk, checksum)
                    at += len(chunk)
            except Trouble:
                if not known:
                    self._meter.lose(at - part.start)
                if not known and part != asked:
                    self._parts.ask_again(part)
                raise
            if not known:
                self._finish(part, checksum)
                patience.restore()

    def _chunks(self, answer: Answer, size: int, *, count: bool = True) -> Iterator[memoryview]:
        """So many bytes of an answer, in pieces that stay as they are until the next one. Raises Trouble."""
        buffer = memoryview(bytearray(min(size, _READ_BYTES)))
        left = size
        while left:
            self._parts.check()
            try:
                received = answer.readinto(buffer[:left])
            except BROKEN as error:
                raise trouble(answer.url, error) from error
            if not received:
                raise Trouble(f"{without_query(answer.url)}: the connection ended {left} bytes early")
            left -= received
            if count:
                self._meter.add(received)
            yield buffer[:received]

    def _write(self, chunk: memoryview, at: int) -> None:
        written = 0
        while written < len(chunk):
            written += os.pwrite(self._journal.descriptor, chunk[written:], at + written)
        failpoints.reach("fetch.downloading")

    def _finish(self, part: Part, checksum: int) -> None:
        failpoints.reach("fetch.part")
        self._journal.add(part, checksum)
        # It is recorded with the new checksum; the one of an earlier run is of no account any more.
        self._journal.checksums.pop(part.number, None)
        self._parts.arrived(part)
        failpoints.reach("fetch.recorded")
        durable.start_writing(self._journal.descriptor, part.start, part.size)
