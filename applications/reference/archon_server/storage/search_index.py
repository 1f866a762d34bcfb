"""Finding passages in SQLite: by words with FTS5, by vectors with sqlite-vec."""

import json
import re
from array import array
from collections.abc import Mapping, Sequence

from . import StoredPassage
from .database import Database
from .documents import PASSAGE_COLUMNS, passage_of

MAX_TERMS = 64
_WORD = re.compile(r"\w+")
_HEADING_WEIGHT, _TEXT_WEIGHT = 2.0, 1.0


class SearchTables:
    """Searches by words and by vectors, and storing the vectors."""

    _database: Database

    def search(
        self, query: str, limit: int, source_id: str | None = None, code_only: bool = False
    ) -> list[StoredPassage]:
        expression = match_expression(query)
        if expression is None:
            return []
        with self._database.connection() as connection:
            found = connection.execute(
                f"""
                SELECT score, {PASSAGE_COLUMNS}
                FROM (
                    SELECT rowid, bm25(chunk_words, {_HEADING_WEIGHT}, {_TEXT_WEIGHT}) AS score FROM chunk_words
                    WHERE chunk_words MATCH :expression
                    AND (:source IS NULL OR rowid IN (SELECT id FROM chunks WHERE source_id = :source))
                    AND (NOT :code OR rowid IN (SELECT id FROM chunks WHERE has_code))
                    ORDER BY score, rowid LIMIT :limit
                ) AS found
                JOIN chunks ON chunks.id = found.rowid JOIN documents USING (source_id)
                ORDER BY score, chunks.id
                """,
                {"expression": expression, "source": source_id, "code": code_only, "limit": limit},
            ).fetchall()
        return [passage_of(row, _from_bm25(bm25)) for bm25, *row in found]

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

    def passages_without_vector(self, model: str, limit: int, source_id: str | None = None) -> list[tuple[int, str]]:
        with self._database.connection() as connection:
            found = connection.execute(
                """
                SELECT id, headings, text FROM chunks
                WHERE (:source IS NULL OR source_id = :source)
                AND NOT EXISTS (SELECT 1 FROM chunk_vectors WHERE chunk_id = chunks.id AND model = :model)
                ORDER BY id LIMIT :limit
                """,
                {"model": model, "limit": limit, "source": source_id},
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


def match_expression(text: str) -> str | None:
    """An FTS5 expression that matches any word of `text`, or None if it has no word.

    Each word is a quoted string, so nothing in the text can be read as FTS5 syntax (AND, NEAR, *, :, parentheses, …).
    Words beyond MAX_TERMS are dropped; repeated ones count once.
    """
    # Lone surrogates, which JSON can carry, have no UTF-8 form and would fail at the database.
    words = _WORD.findall(text.encode("utf-8", "ignore").decode())
    terms = dict.fromkeys(word.casefold() for word in words)
    return " OR ".join(f'"{term}"' for term in list(terms)[:MAX_TERMS]) or None


def _from_bm25(bm25: float) -> float:
    # FTS5's bm25 is negative, and lower is better; x/(1+x) keeps the order and lies in 0..1.
    score = max(-bm25, 0.0)
    return score / (1 + score)


def _packed(vector: Sequence[float]) -> bytes:
    """The form that sqlite-vec reads: consecutive 32-bit floats."""
    return array("f", vector).tobytes()
