"""The storage in one SQLite file with an FTS5 index, in WAL mode: readers never wait, and servers can share it."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

from ..chunking import Chunk
from ..errors import StorageError
from . import Counts, Document, Passage
from .fulltext import match_expression
from .migrations import migrate

BUSY_SECONDS = 60
"""How long a write waits for another server's: the longest single write is one document of the largest size."""

WAL_BYTES = 64 * 1024 * 1024
"""What the write-ahead log keeps of the disk between two large documents."""

OPERATION_SECONDS = 3600
"""How long a finished operation can still be asked for."""

_HEADING_WEIGHT, _TEXT_WEIGHT = 2.0, 1.0
_DOCUMENT = "source_id, filename, file_type, knowledge_type, tags, size, created_at, word_count, chunk_count"


class SqliteStorage:
    """Storage in the file `path`, created if missing. A transaction is on the disk when a call returns."""

    def __init__(self, path: Path) -> None:
        """Raises StorageError if the file cannot be opened or brought up to this code's schema."""
        self._path = path
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue()
        with self._connection() as connection:
            _write_ahead(connection)
            migrate(connection)

    def add_document(self, document: Document, chunks: Iterable[Chunk]) -> Document:
        words = count = 0

        def rows() -> Iterator[tuple[str, int, str, str, bool]]:
            nonlocal words, count
            for chunk in chunks:
                yield (
                    document.source_id,
                    count,
                    json.dumps(chunk.headings, ensure_ascii=False),
                    chunk.text,
                    chunk.has_code,
                )
                words += len(chunk.text.split())
                count += 1

        with self._transaction() as connection:
            connection.execute(
                f"INSERT INTO documents ({_DOCUMENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _document_row(document)
            )
            connection.executemany(
                "INSERT INTO chunks (source_id, position, headings, text, has_code) VALUES (?, ?, ?, ?, ?)", rows()
            )
            connection.execute(
                "UPDATE documents SET word_count = ?, chunk_count = ? WHERE source_id = ?",
                (words, count, document.source_id),
            )
            [row] = connection.execute(f"SELECT {_DOCUMENT} FROM documents WHERE source_id = ?", (document.source_id,))
        return _document(row)

    def delete_document(self, source_id: str) -> bool:
        with self._transaction() as connection:
            return connection.execute("DELETE FROM documents WHERE source_id = ?", (source_id,)).rowcount > 0

    def documents(
        self, *, offset: int = 0, limit: int | None = None, knowledge_type: str | None = None, search: str | None = None
    ) -> tuple[list[Document], int]:
        where = """
            (:type IS NULL OR knowledge_type = :type)
            AND (:search IS NULL OR instr(lower(filename), lower(:search)) > 0)
        """
        values = {"type": knowledge_type, "search": search, "limit": -1 if limit is None else limit, "offset": offset}
        with self._connection() as connection:
            rows = connection.execute(
                f"""
                SELECT {_DOCUMENT} FROM documents WHERE {where}
                ORDER BY created_at DESC, source_id LIMIT :limit OFFSET :offset
                """,
                values,
            ).fetchall()
            [(total,)] = connection.execute(f"SELECT count(*) FROM documents WHERE {where}", values)
        return [_document(row) for row in rows], total

    def search(self, query: str, limit: int, source_id: str | None = None) -> list[Passage]:
        expression = match_expression(query)
        if expression is None:
            return []
        with self._connection() as connection:
            rows = connection.execute(
                f"""
                SELECT chunks.id, position, text, headings, has_code, score, {_DOCUMENT}
                FROM (
                    SELECT rowid, bm25(chunk_words, {_HEADING_WEIGHT}, {_TEXT_WEIGHT}) AS score FROM chunk_words
                    WHERE chunk_words MATCH :expression
                    AND (:source IS NULL OR rowid IN (SELECT id FROM chunks WHERE source_id = :source))
                    ORDER BY score, rowid LIMIT :limit
                ) AS found
                JOIN chunks ON chunks.id = found.rowid JOIN documents USING (source_id)
                ORDER BY score, chunks.id
                """,
                {"expression": expression, "source": source_id, "limit": limit},
            ).fetchall()
        return [_passage(row) for row in rows]

    def counts(self) -> Counts:
        with self._connection() as connection:
            [row] = connection.execute("SELECT count(*), coalesce(sum(chunk_count), 0) FROM documents")
        return Counts(*row)

    def save_operation(self, progress_id: str, owner: str, body: dict[str, Any]) -> None:
        now = int(time.time())
        finished = body["status"] in ("completed", "error")
        with self._transaction() as connection:
            connection.execute("DELETE FROM operations WHERE updated_at < ?", (now - OPERATION_SECONDS,))
            connection.execute(
                """
                INSERT OR REPLACE INTO operations (progress_id, owner, body, finished, updated_at)
                VALUES (?, ?, ?, ?, ?)
                """,
                (progress_id, owner, json.dumps(body), finished, now),
            )

    def operation(self, progress_id: str) -> dict[str, Any] | None:
        with self._connection() as connection:
            row = connection.execute("SELECT body FROM operations WHERE progress_id = ?", (progress_id,)).fetchone()
        return json.loads(row[0]) if row else None

    def unfinished_operations(self, owner: str) -> dict[str, dict[str, Any]]:
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT progress_id, body FROM operations WHERE owner = ? AND NOT finished", (owner,)
            )
            return {progress_id: json.loads(body) for progress_id, body in rows}

    def setting(self, key: str) -> str | None:
        with self._connection() as connection:
            row = connection.execute("SELECT value FROM server_settings WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def save_setting(self, key: str, value: str | None) -> None:
        with self._transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM server_settings WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO server_settings (key, value) VALUES (?, ?)", (key, value))

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; SQLite's errors become StorageErrors."""
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
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            # IMMEDIATE, as a read that turns into a write would not wait for another writer but fail.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def _reuse_or_open(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except Empty:
            connection = sqlite3.connect(self._path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
            return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Puts the file into WAL mode, once for all. SQLite itself does not wait for the locks of this one step."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _document_row(document: Document) -> tuple[Any, ...]:
    return (
        document.source_id,
        document.filename,
        document.file_type,
        document.knowledge_type,
        json.dumps(document.tags),
        document.size,
        document.created_at,
        document.word_count,
        document.chunk_count,
    )


def _document(row: tuple[Any, ...]) -> Document:
    source_id, filename, file_type, knowledge_type, tags, *numbers = row
    return Document(source_id, filename, file_type, knowledge_type, tuple(json.loads(tags)), *numbers)


def _passage(row: tuple[Any, ...]) -> Passage:
    id_, position, text, headings, has_code, bm25, *document = row
    # FTS5's bm25 is negative, and lower is better; x/(1+x) keeps the order and lies in 0..1.
    score = max(-bm25, 0.0)
    return Passage(
        id_,
        position,
        text,
        tuple(json.loads(headings)),
        bool(has_code),
        score / (1 + score),
        _document(tuple(document)),
    )
