"""Finding passages in SQLite: by words with FTS5, by vectors with sqlite-vec."""

import json
from array import array
from collections.abc import Mapping, Sequence

from . import StoredPassage
from .database import Database
from .documents import PASSAGE_COLUMNS, passage_of
from .word_index import find_words, index_waiting, is_waiting


class SearchTables:
    """Searches by words and by vectors, and storing the vectors."""

    _database: Database

    def search(
        self, query: str, limit: int, source_id: str | None = None, code_only: bool = False
    ) -> list[StoredPassage]:
        with self._database.connection() as connection:
            scores = find_words(connection, query, limit, source_id, code_only)
            found = connection.execute(
                f"""
                SELECT {PASSAGE_COLUMNS} FROM chunks JOIN documents USING (source_id)
                WHERE chunks.id IN (SELECT value FROM json_each(?))
                """,
                (json.dumps(list(scores)),),
            ).fetchall()
        # One that was deleted in the meantime is missing.
        by_id = {row[0]: row for row in found}
        return [passage_of(by_id[id_], similarity) for id_, similarity in scores.items() if id_ in by_id]

    def index_waiting(self, limit: int) -> int:
        # Looks before it locks: nearly always nothing waits.
        with self._database.connection() as connection:
            if not is_waiting(connection):
                return 0
        with self._database.transaction() as connection:
            return index_waiting(connection, limit)

    def search_vectors(
        self, vector: Sequence[float], model: str, limit: int, source_id: str | None = None, code_only: bool = False
    ) -> list[StoredPassage]:
        packed = _packed(vector)
        with self._database.connection() as connection:
            found = connection.execute(
                f"""
                SELECT distance, {PASSAGE_COLUMNS}
                FROM (
                    SELECT chunk_id, vec_distance_cosine(vector, :vector) AS distance
                    FROM chunk_vectors JOIN chunks ON chunks.id = chunk_id
                    WHERE model = :model AND length(vector) = length(:vector)
                    AND (:source IS NULL OR source_id = :source) AND has_code >= :code
                    ORDER BY distance, chunk_id LIMIT :limit
                ) AS found
                JOIN chunks ON chunks.id = found.chunk_id JOIN documents USING (source_id)
                ORDER BY distance, chunks.id
                """,
                {"vector": packed, "model": model, "source": source_id, "code": code_only, "limit": limit},
            ).fetchall()
        # A cosine distance is in 0..2.
        return [passage_of(row, 1 - distance / 2) for distance, *row in found]

    def passages_without_vector(
        self, endpoint: str, model: str, limit: int, source_id: str | None = None
    ) -> list[tuple[int, str]]:
        with self._database.connection() as connection:
            found = connection.execute(
                """
                SELECT id, headings, text FROM chunks
                WHERE (:source IS NULL OR source_id = :source)
                AND NOT EXISTS (SELECT 1 FROM chunk_vectors WHERE chunk_id = chunks.id AND model = :model)
                AND NOT EXISTS (
                    SELECT 1 FROM chunks_without_vector
                    WHERE chunk_id = chunks.id AND endpoint = :endpoint AND model = :model
                )
                ORDER BY id LIMIT :limit
                """,
                {"endpoint": endpoint, "model": model, "limit": limit, "source": source_id},
            ).fetchall()
        return [(id_, "\n".join([" > ".join(json.loads(headings)), text]).strip()) for id_, headings, text in found]

    def add_vectors(self, model: str, vectors: Mapping[int, Sequence[float]]) -> None:
        with self._database.transaction() as connection:
            connection.executemany(
                """
                INSERT OR REPLACE INTO chunk_vectors (chunk_id, model, vector)
                SELECT id, ?, ? FROM chunks WHERE id = ?
                """,
                [(model, _packed(vector), id_) for id_, vector in vectors.items()],
            )

    def note_refused_vector(self, endpoint: str, model: str, passage_id: int, reason: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                """
                INSERT OR REPLACE INTO chunks_without_vector (chunk_id, endpoint, model, reason)
                SELECT id, ?, ?, ? FROM chunks WHERE id = ?
                """,
                (endpoint, model, reason, passage_id),
            )

    def refused_vectors(self, endpoint: str, model: str, source_id: str) -> dict[int, str]:
        with self._database.connection() as connection:
            return dict(
                connection.execute(
                    """
                    SELECT position, reason FROM chunks_without_vector JOIN chunks ON chunks.id = chunk_id
                    WHERE source_id = ? AND endpoint = ? AND model = ? ORDER BY position
                    """,
                    (source_id, endpoint, model),
                ).fetchall()
            )

    def count_refused_vectors(self) -> int:
        with self._database.connection() as connection:
            return connection.execute(
                """
                SELECT count(DISTINCT chunk_id) FROM chunks_without_vector AS refused WHERE NOT EXISTS
                (SELECT 1 FROM chunk_vectors WHERE chunk_vectors.chunk_id = refused.chunk_id)
                """
            ).fetchone()[0]


def _packed(vector: Sequence[float]) -> bytes:
    """The form that sqlite-vec reads: consecutive 32-bit floats."""
    return array("f", vector).tobytes()
