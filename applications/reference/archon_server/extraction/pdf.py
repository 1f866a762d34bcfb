"""The text of a PDF, page by page, with its bookmarks as headings."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from . import Refused, escape_markdown

MAX_PAGES = 20_000


def markdown(file: BinaryIO) -> Iterator[str | int]:
    if file.read(5) != b"%PDF-":
        raise Refused("it is named .pdf but is not a PDF")
    file.seek(0)
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
    found = False
    for number, page in enumerate(reader.pages):
        for level, title in headings.get(number, []):
            yield f"\n{'#' * level} {title}\n\n"
        text = page.extract_text()
        found = found or bool(text.strip())
        # UTF-8 cannot encode half a surrogate pair.
        for line in text.encode("utf-8", "replace").decode().replace("\0", "").splitlines():
            yield f"{escape_markdown(line)}\n"
        yield "\n"
        yield 100 * (number + 1) // pages
    if not found:
        raise Refused("it contains no text; run text recognition on scanned pages first")


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
