"""The SQLite file behind the storage: connections, transactions, and readable errors."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, LifoQueue

from ..errors import StorageError
from .migrations import migrate
from .text import fold, index_text, readable_url

BUSY_SECONDS = 60
"""How long a write waits for that of another server. The longest write is one document of the largest size."""

WAL_BYTES = 64 * 1024 * 1024
"""The size that the write-ahead log shrinks to after a large document."""


class Database:
    """The file `path`, created if missing, in WAL mode. A transaction is on the disk when it ends."""

    def __init__(self, path: Path) -> None:
        """Raises StorageError if the file cannot be opened or brought up to this code's schema."""
        self._path = path
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue()
        with self.connection() as connection:
            _write_ahead(connection)
            migrate(connection)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses at the same time. SQLite's errors become StorageErrors."""
        try:
            connection = self._reuse_or_open()
            try:
                yield connection
            except BaseException:
                # Closing also rolls back, whatever state the connection is in.
                connection.close()
                raise
            self._idle.put(connection)
        except sqlite3.Error as error:
            raise StorageError(f"The database {self._path} did not answer: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self.connection() as connection:
            # IMMEDIATE, because a read that turns into a write fails instead of waiting for another writer.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _reuse_or_open(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except Empty:
            connection = sqlite3.connect(self._path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
            _load_vectors(connection)
            for function in (fold, index_text, readable_url):
                connection.create_function(function.__name__, 1, function, deterministic=True)
            return connection


def _load_vectors(connection: sqlite3.Connection) -> None:
    """Loads sqlite-vec's functions. If SQLite was built without extensions, searches use words only."""
    with suppress(AttributeError):
        connection.enable_load_extension(True)
        connection.load_extension(_vector_extension())
        connection.enable_load_extension(False)


@cache
def _vector_extension() -> str:
    # Without importing sqlite_vec, which would import numpy for functions that are not used here.
    spec = find_spec("sqlite_vec")
    assert spec
    assert spec.origin
    return str(Path(spec.origin).with_name("vec0"))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Puts the file into WAL mode, for good. This waits for locks, because SQLite does not do so in this one step."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
