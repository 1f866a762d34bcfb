"""Documents and their passages in SQLite, whose tables call a passage a chunk."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..passages import Passage, code_blocks
from . import EDITABLE, Counts, Document, StoredPassage
from .database import Database
from .text import fold
from .word_index import index_document

_FIELDS = tuple(field.name for field in fields(Document))
"""Columns of `documents` have the names of the fields."""

DOCUMENT_COLUMNS = ", ".join(f"documents.{name}" for name in _FIELDS)

PASSAGE_COLUMNS = (
    f"chunks.id, chunks.position, chunks.text, chunks.headings, chunks.has_code, chunks.url, {DOCUMENT_COLUMNS}"
)

_JSON = {"tags", "crawl"}
_PLACES = ", ".join("?" * len(_FIELDS))


class DocumentTable:
    """Storing and listing documents and their passages."""

    _database: Database

    def add_document(self, document: Document, passages: Iterable[Passage]) -> Document:
        words = count = code = 0

        def rows() -> Iterator[tuple[str, int, str, str, bool, str]]:
            nonlocal words, count, code
            for passage in passages:
                headings = json.dumps(passage.headings, ensure_ascii=False)
                yield document.source_id, count, headings, passage.text, passage.has_code, passage.url
                words += len(passage.text.split())
                code += len(code_blocks(passage.text)) if passage.has_code else 0
                count += 1

        with self._database.transaction() as connection:
            connection.execute("DELETE FROM documents WHERE source_id = ?", (document.source_id,))
            connection.execute(f"INSERT INTO documents ({', '.join(_FIELDS)}) VALUES ({_PLACES})", _values(document))
            connection.executemany(
                "INSERT INTO chunks (source_id, position, headings, text, has_code, url) VALUES (?, ?, ?, ?, ?, ?)",
                rows(),
            )
            index_document(connection, document.source_id)
            connection.execute(
                "UPDATE documents SET word_count = ?, chunk_count = ?, code_count = ? WHERE source_id = ?",
                (words, count, code, document.source_id),
            )
            [row] = connection.execute(
                f"SELECT {DOCUMENT_COLUMNS} FROM documents WHERE source_id = ?", (document.source_id,)
            )
        return document_of(row)

    def document(self, source_id: str) -> Document | None:
        with self._database.connection() as connection:
            row = connection.execute(
                f"SELECT {DOCUMENT_COLUMNS} FROM documents WHERE source_id = ?", (source_id,)
            ).fetchone()
        return document_of(row) if row else None

    def update_document(self, source_id: str, changes: Mapping[str, Any], updated_at: str) -> bool:
        names = [name for name in EDITABLE if name in changes]
        assert len(names) == len(changes), f"not all of {sorted(changes)} can be changed"
        assignments = ", ".join(f"{name} = ?" for name in (*names, "updated_at"))
        given = [_stored(name, changes[name]) for name in names]
        with self._database.transaction() as connection:
            cursor = connection.execute(
                f"UPDATE documents SET {assignments} WHERE source_id = ?", (*given, updated_at, source_id)
            )
            return cursor.rowcount > 0

    def delete_document(self, source_id: str) -> bool:
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM documents WHERE source_id = ?", (source_id,)).rowcount > 0

    def documents(
        self, *, offset: int = 0, limit: int | None = None, knowledge_type: str | None = None, search: str | None = None
    ) -> tuple[list[Document], int]:
        names = " || char(10) || ".join(("filename", "title", "url", "readable_url(url)"))
        where = f"""
            (:type IS NULL OR fold(knowledge_type) = :type) AND (:search IS NULL OR instr(fold({names}), :search) > 0)
        """
        values = {
            "type": knowledge_type and fold(knowledge_type),
            "search": search and fold(search),
            "limit": -1 if limit is None else limit,
            "offset": offset,
        }
        with self._database.connection() as connection:
            found = connection.execute(
                f"""
                SELECT {DOCUMENT_COLUMNS} FROM documents WHERE {where}
                ORDER BY created_at DESC, source_id LIMIT :limit OFFSET :offset
                """,
                values,
            ).fetchall()
            [(total,)] = connection.execute(f"SELECT count(*) FROM documents WHERE {where}", values)
        return [document_of(row) for row in found], total

    def passages(
        self, source_id: str, *, offset: int = 0, limit: int | None = None, domain: str = "", code_only: bool = False
    ) -> tuple[list[StoredPassage], int]:
        where = """
            source_id = :source AND has_code >= :code
            AND (:domain = '' OR instr(fold(chunks.url || char(10) || readable_url(chunks.url)), :domain) > 0)
        """
        values = {
            "source": source_id,
            "domain": fold(domain),
            "code": code_only,
            "limit": -1 if limit is None else limit,
            "offset": offset,
        }
        with self._database.connection() as connection:
            found = connection.execute(
                f"""
                SELECT {PASSAGE_COLUMNS} FROM chunks JOIN documents USING (source_id) WHERE {where}
                ORDER BY position LIMIT :limit OFFSET :offset
                """,
                values,
            ).fetchall()
            [(total,)] = connection.execute(f"SELECT count(*) FROM chunks WHERE {where}", values)
        return [passage_of(row) for row in found], total

    def counts(self) -> Counts:
        with self._database.connection() as connection:
            [row] = connection.execute("SELECT count(*), coalesce(sum(chunk_count), 0) FROM documents")
        return Counts(*row)


def _stored(field: str, value: Any) -> Any:
    """How a field of a document is stored."""
    return json.dumps(value) if field in _JSON and value is not None else value


def _values(document: Document) -> list[Any]:
    return [_stored(name, getattr(document, name)) for name in _FIELDS]


def document_of(row: Sequence[Any]) -> Document:
    """From the columns DOCUMENT_COLUMNS."""
    loaded = dict(zip(_FIELDS, row, strict=True))
    tags, crawl = loaded.pop("tags"), loaded.pop("crawl")
    return Document(**loaded, tags=tuple(json.loads(tags)), crawl=json.loads(crawl) if crawl else None)


def passage_of(row: Sequence[Any], similarity: float = 0.0) -> StoredPassage:
    """From the columns PASSAGE_COLUMNS."""
    id_, position, text, headings, has_code, url, *columns = row
    return StoredPassage(
        id_, position, text, tuple(json.loads(headings)), bool(has_code), url, similarity, document_of(columns)
    )
