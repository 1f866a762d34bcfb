"""The text of a PDF, page by page, with its bookmarks as headings."""

import io
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from . import PDF_HEADER, LeftOut, Refused, escape_markdown

MAX_PAGES = 20_000
HEADER_WITHIN = 1024
"""Bytes in which readers look for the header: some programs write others before it."""

_LIGATURES = {
    ord(ligature): plain
    for ligature, plain in zip("ﬀﬁﬂﬃﬄﬅﬆ", ["ff", "fi", "fl", "ffi", "ffl", "st", "st"], strict=True)
}
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_])(?:\u00ad|-)[ \t]*\r?\n[ \t]*(?=([^\W\d_]))")
"""A hyphen at the end of a line, between letters. Before a small letter it only broke the word."""


def markdown(file: BinaryIO) -> Iterator[str | int | LeftOut]:
    before = file.read(HEADER_WITHIN).find(PDF_HEADER)
    if before < 0:
        raise Refused("it is named .pdf but is not a PDF")
    file.seek(before)
    if before:
        # Offsets in the file count from the header.
        file = io.BytesIO(file.read())
    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("it is encrypted; save it without a password")
        pages = len(reader.pages)
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"it is a damaged PDF ({type(error).__name__}: {error})") from error
    if pages > MAX_PAGES:
        raise Refused(f"it has {pages} pages, more than {MAX_PAGES}; split it")
    headings = _bookmarks(reader)
    empty: list[int] = []
    for number, page in enumerate(reader.pages):
        for level, title in headings.get(number, []):
            yield f"\n{'#' * level} {title}\n\n"
        text = page.extract_text().translate(_LIGATURES)
        text = _BROKEN_WORD.sub(lambda broken: broken[0] if broken[1].isupper() else "", text).replace("\u00ad", "")
        if not text.strip():
            empty.append(number + 1)
        # UTF-8 cannot encode half a surrogate pair.
        for line in text.encode("utf-8", "replace").decode().replace("\0", "").splitlines():
            yield f"{escape_markdown(line)}\n"
        yield "\n"
        yield 100 * (number + 1) // pages
    if len(empty) == pages:
        raise Refused("it contains no text; run text recognition on scanned pages first")
    if empty:
        numbers = ", ".join(map(str, empty[:10])) + (", ..." if len(empty) > 10 else "")
        yield LeftOut(f"pages without text ({numbers}): run text recognition on scanned ones")


def _bookmarks(reader: PdfReader) -> dict[int, list[tuple[int, str]]]:
    """Level (1 to 6) and title of the bookmarks by page number. The text is read even if they are damaged."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)

    def collect(outline: list[Any], level: int) -> None:
        for entry in outline:
            if isinstance(entry, list):
                collect(entry, level + 1)
                continue
            number = reader.get_destination_page_number(entry)
            title = " ".join(str(entry.title).encode("utf-8", "ignore").decode().split())
            if number is not None and number >= 0 and title:
                found[number].append((min(level, 6), title[:200]))

    with suppress(PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        collect(reader.outline, 1)
    return found
