"""Documents and passages as rows of the database, and back."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from . import Document, Passage

FIELDS = tuple(field.name for field in fields(Document))
"""Columns of `documents` have the names of the fields."""

DOCUMENT = ", ".join(f"documents.{name}" for name in FIELDS)

PASSAGE = f"chunks.id, chunks.position, chunks.text, chunks.headings, chunks.has_code, chunks.url, {DOCUMENT}"

_JSON = {"tags", "crawl"}


def value(field: str, value: Any) -> Any:
    """How a field of a document is stored."""
    return json.dumps(value) if field in _JSON and value is not None else value


def values(document: Document) -> list[Any]:
    return [value(name, getattr(document, name)) for name in FIELDS]


def document(row: Sequence[Any]) -> Document:
    """From the columns DOCUMENT."""
    loaded = dict(zip(FIELDS, row, strict=True))
    tags, crawl = loaded.pop("tags"), loaded.pop("crawl")
    return Document(**loaded, tags=tuple(json.loads(tags)), crawl=json.loads(crawl) if crawl else None)


def passage(row: Sequence[Any], similarity: float = 0.0) -> Passage:
    """From the columns PASSAGE."""
    id_, position, text, headings, has_code, url, *columns = row
    return Passage(id_, position, text, tuple(json.loads(headings)), bool(has_code), url, similarity, document(columns))
