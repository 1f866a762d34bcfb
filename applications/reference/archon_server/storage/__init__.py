"""What the server stores, behind one small interface, so that another database can replace SQLite."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..passages import Passage

FINISHED = ("completed", "error", "cancelled")
"""The statuses that a job ends with."""


@dataclass(frozen=True)
class Document:
    """One knowledge item: an uploaded file, or a crawled site (`source_type` "url", `crawl` says how it was crawled).

    `source_id` is its name in the API; times are ISO 8601 in UTC; `size` is in bytes, `update_frequency` in days.
    """

    source_id: str
    filename: str
    file_type: str
    knowledge_type: str
    tags: tuple[str, ...]
    size: int
    created_at: str
    word_count: int = 0
    chunk_count: int = 0
    code_count: int = 0
    title: str = ""
    """The title that a person gave it; empty means the file name."""
    description: str | None = None
    status: str = "active"
    update_frequency: int = 7
    group_name: str | None = None
    source_type: Literal["file", "url"] = "file"
    url: str = ""
    updated_at: str = ""
    crawl: Mapping[str, Any] | None = None

    @property
    def shown_title(self) -> str:
        return self.title or self.filename


EDITABLE = ("title", "description", "knowledge_type", "tags", "status", "update_frequency", "group_name")
"""The fields of a Document that `update_document` may change."""


@dataclass(frozen=True)
class StoredPassage:
    """A passage in the storage. `similarity` is in 0..1, higher is closer; it compares only within one search.

    `url` is that of the page it was found on; empty if it comes from a file.
    """

    id: int
    position: int
    text: str
    headings: tuple[str, ...]
    has_code: bool
    url: str
    similarity: float
    document: Document


@dataclass(frozen=True)
class Credential:
    """A setting that people change while the server runs. If it is encrypted, `value` is ciphertext."""

    key: str
    value: str
    is_encrypted: bool = False
    category: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Counts:
    documents: int
    passages: int


class Storage(Protocol):
    """Calls block, and may come from several threads at once. Every failure is a StorageError that people can read."""

    def add_document(self, document: Document, passages: Iterable[Passage]) -> Document:
        """Stores the document and all its passages, or nothing: an error raised by `passages` leaves no trace.

        Replaces one of the same `source_id`. Counts are filled in.
        """
        ...

    def document(self, source_id: str) -> Document | None: ...

    def update_document(self, source_id: str, changes: Mapping[str, Any], updated_at: str) -> bool:
        """Changes fields of EDITABLE; False if there is no such document."""
        ...

    def delete_document(self, source_id: str) -> bool:
        """False if there is no such document."""
        ...

    def documents(
        self, *, offset: int = 0, limit: int | None = None, knowledge_type: str | None = None, search: str | None = None
    ) -> tuple[list[Document], int]:
        """The asked-for slice, newest first, and how many there are in all. `search` matches part of the file name,
        title or address.
        """
        ...

    def passages(
        self, source_id: str, *, offset: int = 0, limit: int | None = None, domain: str = "", code_only: bool = False
    ) -> tuple[list[StoredPassage], int]:
        """The asked-for slice of a document's passages in order, and how many there are in all.

        `domain` matches part of the page's address.
        """
        ...

    def search(
        self, query: str, limit: int, source_id: str | None = None, code_only: bool = False
    ) -> list[StoredPassage]:
        """The passages that share words with `query`, best first; no query text is an error."""
        ...

    def index_waiting(self, limit: int) -> int:
        """Indexes the words of at most `limit` passages that other releases of the server stored. Returns how many.

        Until then a search finds them as those releases did.
        """
        ...

    def search_vectors(
        self, vector: Sequence[float], model: str, limit: int, source_id: str | None = None, code_only: bool = False
    ) -> list[StoredPassage]:
        """The passages whose vectors of embedding model `model` are closest to `vector`, closest first."""
        ...

    def passages_without_vector(
        self, endpoint: str, model: str, limit: int, source_id: str | None = None
    ) -> list[tuple[int, str]]:
        """Ids and texts (with headings) of passages that have no vector of this embedding model yet.

        Without those that the endpoint, which is its address, has refused.
        """
        ...

    def add_vectors(self, model: str, vectors: Mapping[int, Sequence[float]]) -> None:
        """Stores vectors by passage id. Vectors of passages that were deleted in the meantime are dropped."""
        ...

    def note_refused_vector(self, endpoint: str, model: str, passage_id: int, reason: str) -> None:
        """Notes that the endpoint gives no vector for this passage, so that it is not asked again."""
        ...

    def refused_vectors(self, endpoint: str, model: str, source_id: str) -> dict[int, str]:
        """The positions of a document's passages that the endpoint has refused, and its reasons."""
        ...

    def count_refused_vectors(self) -> int: ...

    def counts(self) -> Counts: ...

    def credentials(self) -> list[Credential]:
        """All that were saved, by key."""
        ...

    def save_credential(self, credential: Credential) -> None:
        """Adds it, or replaces the one of the same key."""
        ...

    def delete_credential(self, key: str) -> bool:
        """False if there is no such credential."""
        ...

    def save_job(self, progress_id: str, owner: str, body: dict[str, Any]) -> None:
        """Stores what GET /api/progress answers, for the other servers of this database and for after a restart."""
        ...

    def job(self, progress_id: str) -> dict[str, Any] | None: ...

    def unfinished_jobs(self, owner: str | None = None) -> dict[str, dict[str, Any]]:
        """The jobs that have not ended, by their id: those of `owner`, or all."""
        ...

    def setting(self, key: str) -> str | None:
        """What any server of this database saved with `save_setting`; None if nothing."""
        ...

    def save_setting(self, key: str, value: str | None) -> None:
        """Saves `value` under `key`; None deletes it."""
        ...

    def close(self) -> None: ...
