"""The index of words, which FTS5 keeps in the table `chunk_terms`.

Servers of earlier releases search `chunk_words`, which triggers fill. Passages that such a server stores wait in
`chunks_to_index`, and until they are indexed a search finds them in `chunk_words`.
"""

import re
import sqlite3

from .text import MAX_TERMS, match_expression

_HEADING_WEIGHT, _TEXT_WEIGHT = 2.0, 1.0
_WORD = re.compile(r"\w+")


def index_document(connection: sqlite3.Connection, source_id: str) -> None:
    _index(connection, "SELECT id FROM chunks WHERE source_id = ?", source_id)


def is_waiting(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT EXISTS (SELECT 1 FROM chunks_to_index)").fetchone()[0] == 1


def index_waiting(connection: sqlite3.Connection, limit: int) -> int:
    """Indexes at most `limit` passages that wait, in a transaction, and returns how many."""
    return _index(connection, "SELECT chunk_id FROM chunks_to_index ORDER BY chunk_id LIMIT ?", limit)


def _index(connection: sqlite3.Connection, chosen: str, parameter: str | int) -> int:
    connection.execute(
        f"""
        INSERT INTO chunk_terms (rowid, headings, text)
        SELECT id, index_text(headings), index_text(text) FROM chunks WHERE id IN ({chosen}) ORDER BY id
        """,
        (parameter,),
    )
    return connection.execute(f"DELETE FROM chunks_to_index WHERE chunk_id IN ({chosen})", (parameter,)).rowcount


def find_words(
    connection: sqlite3.Connection, query: str, limit: int, source_id: str | None, code_only: bool
) -> dict[int, float]:
    """The ids of the passages that share words with `query` and how similar they are, best first."""
    limits = {"limit": limit, "source": source_id, "code": code_only}
    found: dict[int, float] = {}
    # Those that wait come first, because a passage may move from one table to the other between the two questions.
    if is_waiting(connection):
        waiting = "AND rowid IN (SELECT chunk_id FROM chunks_to_index)"
        found |= _best(connection, "chunk_words", _earlier_expression(query), limits, waiting)
    found |= _best(connection, "chunk_terms", match_expression(query), limits)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:limit])


def _best(
    connection: sqlite3.Connection,
    table: str,
    expression: str | None,
    limits: dict[str, int | str | None],
    condition: str = "",
) -> dict[int, float]:
    if expression is None:
        return {}
    rows = connection.execute(
        f"""
        SELECT rowid, bm25({table}, {_HEADING_WEIGHT}, {_TEXT_WEIGHT}) AS score FROM {table}
        WHERE {table} MATCH :expression
        AND (:source IS NULL OR rowid IN (SELECT id FROM chunks WHERE source_id = :source))
        AND (NOT :code OR rowid IN (SELECT id FROM chunks WHERE has_code))
        {condition}
        ORDER BY score, rowid LIMIT :limit
        """,
        {"expression": expression, **limits},
    )
    return {id_: _from_bm25(bm25) for id_, bm25 in rows}


def _earlier_expression(query: str) -> str | None:
    """As `match_expression`, for `chunk_words`: its tokenizer knows case and accents."""
    terms = dict.fromkeys(_WORD.findall(query.encode("utf-8", "ignore").decode().lower()))
    return " OR ".join(f'"{term}"' for term in list(terms)[:MAX_TERMS]) or None


def _from_bm25(bm25: float) -> float:
    # FTS5's bm25 is negative, and lower is better; x/(1+x) keeps the order and lies in 0..1.
    score = max(-bm25, 0.0)
    return score / (1 + score)
