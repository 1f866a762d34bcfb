"""What the server keeps, behind one small interface, so that another database can follow."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ..chunking import Chunk


@dataclass(frozen=True)
class Document:
    """One uploaded document. `source_id` is its name in the API; times are ISO 8601 in UTC; `size` is in bytes."""

    source_id: str
    filename: str
    file_type: str
    knowledge_type: str
    tags: tuple[str, ...]
    size: int
    created_at: str
    word_count: int = 0
    chunk_count: int = 0


@dataclass(frozen=True)
class Passage:
    """A chunk that retrieval found. `similarity` is in 0..1, higher is closer; it compares only within one search."""

    id: int
    position: int
    text: str
    headings: tuple[str, ...]
    has_code: bool
    similarity: float
    document: Document


@dataclass(frozen=True)
class Counts:
    documents: int
    chunks: int


class Storage(Protocol):
    """Calls block; they come from several threads at once. Every failure is a StorageError with a reason for people."""

    def add_document(self, document: Document, chunks: Iterable[Chunk]) -> Document:
        """Stores the document and all its chunks, or nothing: an error raised by `chunks` leaves no trace. Counts are
        filled in.
        """
        ...

    def delete_document(self, source_id: str) -> bool:
        """False if there is no such document."""
        ...

    def documents(
        self, *, offset: int = 0, limit: int | None = None, knowledge_type: str | None = None, search: str | None = None
    ) -> tuple[list[Document], int]:
        """The asked-for slice, newest first, and how many there are in all. `search` matches part of the file name."""
        ...

    def search(self, query: str, limit: int, source_id: str | None = None) -> list[Passage]:
        """The passages that share words with `query`, best first; no text is an error."""
        ...

    def counts(self) -> Counts: ...

    def save_operation(self, progress_id: str, owner: str, body: dict[str, Any]) -> None:
        """Keeps what GET /api/progress answers, for the other servers of this database and for after a restart."""
        ...

    def operation(self, progress_id: str) -> dict[str, Any] | None: ...

    def unfinished_operations(self, owner: str) -> dict[str, dict[str, Any]]:
        """Operations of `owner` that have not ended, by their id."""
        ...

    def setting(self, key: str) -> str | None:
        """What `save_setting` kept, by whichever server of this database; None if nothing."""
        ...

    def save_setting(self, key: str, value: str | None) -> None:
        """Keeps `value` under `key` for ever; None forgets it."""
        ...

    def close(self) -> None: ...
