"""The text of a Word document: headings by their styles, lists and tables by lines. Read as a stream, within limits."""

import re
from collections.abc import Iterator
from typing import IO, BinaryIO
from zipfile import BadZipFile, ZipFile

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from . import TEXT_BYTES, Refused, escape_markdown

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING = re.compile(r"(?:heading|berschrift|titre)\s*([1-9])$", re.IGNORECASE)
_DOCUMENT = "word/document.xml"


def markdown(file: BinaryIO) -> Iterator[str | int]:
    try:
        with ZipFile(file) as archive:
            if _DOCUMENT not in archive.namelist():
                # An encrypted document is an OLE file and does not get here.
                raise Refused("it is named .docx but is not a Word document")
            info = archive.getinfo(_DOCUMENT)
            if info.flag_bits & 1:
                raise Refused("it is encrypted; save it without a password")
            if info.file_size > TEXT_BYTES:
                raise Refused(f"it unpacks to {info.file_size} bytes, more than the {TEXT_BYTES} allowed")
            levels = _heading_styles(archive)
            with archive.open(info) as document:
                yield from _paragraphs(_LimitedReader(document), levels, max(info.file_size, 1))
    except BadZipFile as error:
        raise Refused(f"it is not a Word document, or it is damaged ({error})") from error
    except DefusedXmlException as error:
        raise Refused(f"it contains XML that is not allowed ({type(error).__name__})") from error
    except ParseError as error:
        raise Refused(f"it contains damaged XML ({error})") from error


class _LimitedReader:
    """Counts the bytes that are really decompressed, because the sizes that an archive declares can be wrong."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.read_bytes += len(data)
        if self.read_bytes > TEXT_BYTES:
            raise Refused(f"it unpacks to more than the {TEXT_BYTES} bytes allowed")
        return data


def _heading_styles(archive: ZipFile) -> dict[str, int]:
    """Heading levels by style id. Some versions of Word translate the ids, but not the names."""
    if "word/styles.xml" not in archive.namelist():
        return {}
    levels = {}
    with archive.open("word/styles.xml") as styles:
        for _, element in iterparse(_LimitedReader(styles)):
            if element.tag == f"{_W}style":
                name = element.find(f"{_W}name")
                match = _HEADING.search(name.get(f"{_W}val", "")) if name is not None else None
                if match:
                    levels[element.get(f"{_W}styleId", "")] = int(match.group(1))
    return levels


def _paragraphs(document: _LimitedReader, levels: dict[str, int], size: int) -> Iterator[str | int]:
    text: list[str] = []
    level, is_list, rows = 0, False, 0
    for event, element in iterparse(document, events=("start", "end")):
        tag = element.tag
        if event == "start":
            if tag == f"{_W}tr":
                rows += 1
            continue
        if tag == f"{_W}t":
            text.append(element.text or "")
        elif tag == f"{_W}tab":
            text.append("\t")
        elif tag in (f"{_W}br", f"{_W}cr"):
            text.append("\n")
        elif tag == f"{_W}pStyle":
            style = element.get(f"{_W}val", "")
            match = _HEADING.search(style)
            level = levels.get(style, int(match.group(1)) if match else 0)
        elif tag == f"{_W}numPr":
            is_list = True
        elif tag == f"{_W}tr":
            rows -= 1
            yield "\n"
        elif tag == f"{_W}p":
            yield _paragraph("".join(text), level, is_list, in_table=rows > 0)
            text, level, is_list = [], 0, False
            yield 100 * min(document.read_bytes, size) // size
        if tag in (f"{_W}p", f"{_W}tr", f"{_W}tbl"):
            element.clear()


def _paragraph(text: str, level: int, is_list: bool, in_table: bool) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    if level:
        return f"\n{'#' * min(level, 6)} {' '.join(lines)}\n\n"
    if in_table:
        return f"{' '.join(lines)} | "
    body = "\n".join(map(escape_markdown, lines))
    return f"- {body}\n" if is_list else f"{body}\n\n"
