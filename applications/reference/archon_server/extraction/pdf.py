"""The text of a PDF, page by page, with its bookmarks as headings."""

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError

from . import PDF_HEADER, LeftOut, Refused, escape_markdown

MAX_PAGES = 20_000
HEADER_WITHIN = 1024
"""Bytes in which readers look for the header: some programs write others before it."""

_DAMAGE = (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What a damaged PDF makes the library raise where text can be read all the same."""

_LIGATURES = {
    ord(ligature): plain
    for ligature, plain in zip("ﬀﬁﬂﬃﬄﬅﬆ", ["ff", "fi", "fl", "ffi", "ffl", "st", "st"], strict=True)
}
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_])[\u00ad\u2010-][ \t]*\r?\n[ \t]*(?=([^\W\d_]))")
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
    left_out: Counter[str] = Counter()
    images: set[int] = set()
    for number, page in enumerate(reader.pages):
        for level, title in headings.get(number, []):
            yield f"\n{'#' * level} {title}\n\n"
        text = "\n".join([page.extract_text(), *_annotations(page, left_out)]).translate(_LIGATURES)
        images |= _images(page)
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
    with suppress(*_DAMAGE):
        left_out["attachments"] = len(list(reader.attachments))
    left_out["images"] = len(images)
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(left_out.items()) if count)


def _annotations(page: PageObject, left_out: Counter[str]) -> list[str]:
    """What readers show above the page: the values of forms, and text that was written onto it."""
    texts = []
    with suppress(*_DAMAGE):
        for reference in page.get("/Annots") or []:
            annotation = reference.get_object()
            kind, content = annotation.get("/Subtype"), str(annotation.get("/Contents") or "")
            if kind == "/Widget":
                field = annotation if "/V" in annotation else annotation.get("/Parent", annotation).get_object()
                value = field.get("/V")
                # Not of buttons, whose values are names.
                texts.extend([f"{field.get('/T', '')}: {value}"] if isinstance(value, str) and value[:1] != "/" else [])
            elif kind == "/FreeText":
                texts.append(content)
            elif content and kind not in ("/Link", "/Popup"):
                left_out["comments"] += 1
    return texts


def _images(page: PageObject) -> set[int]:
    """The numbers of the page's pictures, of which several pages may show the same."""
    with suppress(*_DAMAGE):
        objects = page["/Resources"].get_object().get("/XObject", {}).get_object()
        return {
            reference.idnum
            for reference in (objects.raw_get(name) for name in objects)
            if reference.get_object().get("/Subtype") == "/Image"
        }
    return set()


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

    with suppress(*_DAMAGE):
        collect(reader.outline, 1)
    return found
