"""The text of a Word document: headings by their styles, lists and tables by lines. Read as a stream, within limits.

Element names are compared without their namespace's address: the strict and the transitional form of the format differ
in nothing else that is read here. What a document only points to is either read at its end (footnotes and endnotes) or
named as left out.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from typing import IO, BinaryIO
from xml.etree.ElementTree import Element
from zipfile import BadZipFile, ZipFile, ZipInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from . import TEXT_BYTES, LeftOut, Refused, escape_markdown

_HEADING = re.compile(r"(?:heading|berschrift|titre)\s*([1-9])$", re.IGNORECASE)
_NOTES = {"footnotes": "footnote", "endnotes": "endnote"}
_TEXT_NAMESPACES = re.compile(r"/(?:wordprocessingml|math|drawingml)[/}]", re.IGNORECASE)
"""Namespaces whose `t` elements are text: of paragraphs, of formulas, of shapes."""

_SKIPPED = {"del", "moveFrom", "tabs"}
"""Text that was deleted or that stands again where it was moved to; tab stops, which are named like tabs."""

_PART_KINDS = {
    "comments": "comments",
    "header": "page headers",
    "footer": "page footers",
    "chart": "charts",
    "diagramData": "diagrams",
    "vbaProject": "macros",
    "oleObject": "embedded objects",
    "package": "embedded objects",
    "aFChunk": "embedded documents",
}
"""What is left out, by the last word of a relationship's type."""

# Symbol's letters, from 0x41 and from 0x61, and the symbols of Word's own lists and keyboards that people meet most.
_SYMBOL = {
    **dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True)),
    **dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True)),
    0x22: "∀",
    0x24: "∃",
    0x2D: "\u2212",
    0xA3: "≤",
    0xA5: "∞",
    0xAB: "↔",
    0xAC: "←",
    0xAE: "→",
    0xB0: "°",
    0xB1: "±",
    0xB3: "≥",
    0xB4: "\u00d7",
    0xB7: "•",
    0xB8: "÷",
    0xB9: "≠",
    0xBA: "≡",
    0xBB: "≈",
    0xCE: "∈",
    0xD6: "√",
    0xE5: "∑",
}
_WINGDINGS = {
    0x4A: "☺",
    0x4C: "☹",
    0x6C: "●",
    0x6E: "■",
    0x6F: "□",
    0x71: "❑",
    0x76: "❖",
    0x9F: "•",
    0xA7: "▪",
    0xA8: "◻",
    0xD8: "➢",
    0xDF: "←",
    0xE0: "→",
    0xE8: "➔",
    0xFB: "✗",
    0xFC: "✓",
    0xFD: "☒",
    0xFE: "☑",
}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS}


def markdown(file: BinaryIO) -> Iterator[str | int | LeftOut]:
    try:
        with ZipFile(file) as archive:
            package = _Package(archive)
            main = package.main_part()
            size = max(package.info(main).file_size, 1)
            related = package.relationships(main)
            left_out: Counter[str] = Counter()
            reader = _Reader(_heading_styles(package, related), left_out)
            with package.open(main) as document:
                for paragraph in reader.paragraphs(document):
                    yield paragraph
                    yield 100 * min(document.read_bytes, size) // size
            for kind, part in related:
                if kind in _NOTES and package.has(part):
                    with package.open(part) as notes:
                        yield from reader.notes(notes, _NOTES[kind])
            parts = {_PART_KINDS[kind] for kind, part in related if kind in _PART_KINDS and package.has(part)}
            counted = (f"{what} ({count})" for what, count in left_out.items())
            yield from map(LeftOut, sorted([*parts, *counted]))
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

    def __enter__(self) -> "_LimitedReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.read_bytes += len(data)
        if self.read_bytes > TEXT_BYTES:
            raise Refused(f"it unpacks to more than the {TEXT_BYTES} bytes allowed")
        return data


class _Package:
    """The parts of the document, by names as relationships write them: some programs write `word\\document.xml`."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._parts = {_part_name(info.filename): info for info in archive.infolist()}

    def has(self, part: str) -> bool:
        return _part_name(part) in self._parts

    def info(self, part: str) -> ZipInfo:
        info = self._parts[_part_name(part)]
        if info.flag_bits & 1:
            raise Refused("it is encrypted; save it without a password")
        if info.file_size > TEXT_BYTES:
            raise Refused(f"it unpacks to {info.file_size} bytes, more than the {TEXT_BYTES} allowed")
        return info

    def open(self, part: str) -> _LimitedReader:
        return _LimitedReader(self._archive.open(self.info(part)))

    def main_part(self) -> str:
        """The part that `_rels/.rels` names: Word's own name for it is a habit, not a rule."""
        named = [part for kind, part in self.relationships("") if kind == "officeDocument"]
        for part in [*named, "word/document.xml"]:
            if self.has(part):
                return part
        # An encrypted document is an OLE file and does not get here.
        raise Refused("it is named .docx but is not a Word document")

    def relationships(self, part: str) -> list[tuple[str, str]]:
        """The last word of the type, and the part, of everything inside the package that `part` points to."""
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if not self.has(rels):
            return []
        found = []
        with self.open(rels) as stream:
            for _, element in iterparse(stream):
                target = element.get("Target", "").replace("\\", "/")
                if _local(element) == "Relationship" and element.get("TargetMode") != "External" and target:
                    path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                    found.append((element.get("Type", "").rpartition("/")[2], path))
        # A part that is named twice is read once.
        return list(dict.fromkeys(found))


def _part_name(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _value(element: Element, name: str = "val") -> str:
    """An attribute, in whichever namespace it is."""
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), "")


def _heading_styles(package: _Package, related: list[tuple[str, str]]) -> dict[str, int]:
    """Heading levels by style id. Some versions of Word translate the ids, but not the names."""
    levels = {}
    parts = [part for kind, part in related if kind == "styles"] or ["word/styles.xml"]
    for part in filter(package.has, parts):
        with package.open(part) as styles:
            for _, element in iterparse(styles):
                if _local(element) == "style":
                    names = (_value(child) for child in element if _local(child) == "name")
                    if match := _HEADING.search(next(names, "")):
                        levels[_value(element, "styleId")] = int(match.group(1))
    return levels


class _Paragraph:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.level = 0
        self.is_list = False


class _Reader:
    """Turns a part's XML into paragraphs. A text box is a paragraph within another, so they form a stack."""

    def __init__(self, levels: dict[str, int], left_out: Counter[str]) -> None:
        self._levels = levels
        self._left_out = left_out

    def notes(self, part: _LimitedReader, kind: str) -> Iterator[str]:
        """The notes of a part, each after the mark that stands in the text. Separators are notes without text."""
        for paragraph in self.paragraphs(part, note=kind):
            yield f"{paragraph.strip()}\n\n" if paragraph.strip() else ""

    def paragraphs(self, part: _LimitedReader, note: str = "") -> Iterator[str]:
        open_elements: list[Element] = []
        stack = [_Paragraph()]
        # Rows of tables, which nest.
        rows = written = 0
        skipped: Element | None = None
        alternatives: list[int] = []
        mark = ""
        for event, element in iterparse(part, events=("start", "end")):
            name = _local(element)
            paragraph = stack[-1]
            if event == "start":
                open_elements.append(element)
                # `w:rPrChange` and its kind hold the formatting before a tracked change.
                if skipped is None and (
                    name in _SKIPPED
                    or name.endswith("Change")
                    or (name == "Fallback" and alternatives and written > alternatives[-1])
                ):
                    skipped = element
                if skipped is not None:
                    continue
                if name == "AlternateContent":
                    alternatives.append(written)
                elif name == "p" and _TEXT_NAMESPACES.search(element.tag):
                    stack.append(_Paragraph())
                    if mark:
                        stack[-1].text.append(mark)
                        mark = ""
                elif name == "tr":
                    rows += 1
                elif name == note:
                    mark = "" if _value(element, "type") in ("separator", "continuationSeparator") else _mark(element)
                else:
                    before = len(paragraph.text) + self._left_out.total()
                    self._start(name, element, paragraph)
                    written += len(paragraph.text) + self._left_out.total() - before
                continue

            open_elements.pop()
            if skipped is not None:
                skipped = None if element is skipped else skipped
            elif name == "t" and _TEXT_NAMESPACES.search(element.tag):
                paragraph.text.append(element.text or "")
                written += bool(element.text)
            elif name == "AlternateContent" and alternatives:
                alternatives.pop()
            elif name == "p" and len(stack) > 1 and _TEXT_NAMESPACES.search(element.tag):
                yield _paragraph(stack.pop(), in_table=rows > 0)
            elif name == "tr":
                rows -= 1
                yield "\n"
            # What has been read is let go, so that memory does not grow with the document.
            if open_elements:
                open_elements[-1].remove(element)

    def _start(self, name: str, element: Element, paragraph: _Paragraph) -> None:
        if name in ("tab", "ptab"):
            paragraph.text.append(" ")
        elif name in ("br", "cr"):
            paragraph.text.append("\n")
        elif name == "noBreakHyphen":
            paragraph.text.append("-")
        elif name == "sym":
            paragraph.text.append(self._symbol(element))
        elif name in ("footnoteReference", "endnoteReference"):
            paragraph.text.append(f"[^{_value(element, 'id')}]")
        elif name in ("sup", "sub", "den"):
            # Of formulas.
            paragraph.text.append({"sup": "^", "sub": "_", "den": "/"}[name])
        elif name == "pStyle":
            style = _value(element)
            match = _HEADING.search(style)
            paragraph.level = self._levels.get(style, int(match.group(1)) if match else 0)
        elif name == "numId":
            paragraph.is_list = _value(element) != "0"
        elif name == "numPr":
            paragraph.is_list = True
        elif name == "docPr" and (text := " ".join(_value(element, "descr").split())):
            paragraph.text.append(f"[Image: {text}]")
        elif name in ("blip", "imagedata"):
            self._left_out["images"] += 1

    def _symbol(self, element: Element) -> str:
        """The character that a symbol font shows at a code. Word moves those codes to U+F000."""
        code, font = _value(element, "char"), _value(element, "font")
        try:
            number = int(code, 16)
        except ValueError:
            number = 0
        if 0xF000 <= number <= 0xF0FF or font.casefold() in _FONTS:
            known = _FONTS.get(font.casefold(), {}).get(number & 0xFF)
        else:
            known = chr(number) if 0x20 <= number < 0x110000 and not 0xD800 <= number < 0xE000 else None
        if known is None:
            self._left_out["symbols of fonts without Unicode"] += 1
        return known or f"[symbol {code} of {font or 'an unknown font'}]"


def _mark(note: Element) -> str:
    return f"[^{_value(note, 'id')}]: "


def _paragraph(paragraph: _Paragraph, *, in_table: bool) -> str:
    lines = [line for line in "".join(paragraph.text).splitlines() if line.strip()]
    if not lines:
        return ""
    if paragraph.level:
        return f"\n{'#' * min(paragraph.level, 6)} {' '.join(lines)}\n\n"
    if in_table:
        return f"{' '.join(lines)} | "
    body = "\n".join(map(escape_markdown, lines))
    return f"- {body}\n" if paragraph.is_list else f"{body}\n\n"
