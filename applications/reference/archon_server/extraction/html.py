"""HTML as Markdown: headings, paragraphs, lists, tables by lines and code blocks, without scripts, styles and menus."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import BinaryIO

from . import LeftOut, Refused, encodings, escape_markdown
from .encodings import Encoding
from .mathml import Formula
from .numbering import written
from .small_characters import Readings, subscript, superscript

_PIECE = 64 * 1024
_SKIPPED_TAGS = {"nav", "script", "style", "template", "svg", "title", "iframe", "annotation", "annotation-xml"}
"""An annotation repeats a formula in another notation."""
_COUNTED_TAGS = {
    "nav": "menus",
    "svg": "drawings",
    "iframe": "frames",
    "frame": "frames",
    "object": "embedded objects",
    "embed": "embedded objects",
    "audio": "sounds",
    "video": "films",
    "canvas": "drawings",
    "img": "images",
}
"""What is left out, wholly or but for its text, and what it counts as."""

_CONTENT = {"body", "main", "article"}
_BLOCKS = {
    *(
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
    ),
    *("dl", "dt", "fieldset", "hgroup", "legend", "menu", "option", "search", "tfoot"),
    *("figcaption", "figure", "footer", "form", "header", "hr", "main", "ol", "p", "section", "summary"),
    *("table", "tbody", "thead", "ul"),
}
_HEADING = re.compile(r"h([1-6])$")
_LIST_STYLES = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_POSITIONS = {"sup": superscript, "sub": subscript}
_COMMENT = re.compile(r"<!--(?:-?>|.*?--!?>)", re.DOTALL)
_LANGUAGE = re.compile(r"\b(?:language|lang|highlight)-([\w+#-]+)")


def markdown(file: BinaryIO, charset: str = "") -> Iterator[str | Encoding | LeftOut]:
    """`charset` is the encoding that the client named, if any."""
    try:
        encoding = encodings.of_file(file, declared=charset, html=True)
    except encodings.UnknownEncoding as error:
        raise Refused(str(error)) from error
    if encoding.confidence is not None:
        yield encoding
    converter = Converter()
    for text in encoding.texts(iter(lambda: file.read(_PIECE), b"")):
        converter.feed(text)
        yield converter.take()
    converter.close()
    yield converter.take()
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(converter.left_out.items()))


def convert(page: str) -> str:
    """The Markdown of a page that is already decoded."""
    converter = Converter()
    converter.feed(page)
    converter.close()
    return converter.take()


@dataclass
class _List:
    """An open list; `next` is the number of its next item, None if its items have none."""

    next: int | None = None
    style: str = ""

    def mark(self, value: str) -> str:
        if self.next is None:
            return "- "
        number = _number(value, self.next)
        self.next = number + 1
        return f"{written(number, self.style)}. "


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else default


class Converter(HTMLParser):
    """Converts HTML, fed in pieces, to Markdown, taken in pieces."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._ready: list[str] = []
        self._line: list[str] = []
        self._prefix = ""
        self._skipping: list[str] = []
        self._code: list[str] | None = None
        self._language = ""
        self._readings = Readings()
        self._reading: list[str] | None = None
        self._base = 0
        self._in_parenthesis = False
        self._positions: list[str] = []
        self._lists: list[_List] = []
        self._formula: Formula | None = None
        self.left_out: Counter[str] = Counter()

    def take(self) -> str:
        """What has been converted since the last call."""
        text, self._ready = "".join(self._ready), []
        return text.replace("\0", "")

    def close(self) -> None:
        super().close()
        if self._code is not None:
            self._end_code()
        self._end_line()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        heading = _HEADING.match(tag)
        # An empty alternative text says that a picture is decoration.
        if tag in _COUNTED_TAGS and not self._skipping and dict(attrs).get("alt") != "":
            self.left_out[_COUNTED_TAGS[tag]] += 1
        if tag == "img" and not self._skipping and (alt := dict(attrs).get("alt")):
            self.handle_data(f" {alt} ")
        # A shadow root is shown in place of the content of its element.
        if tag in _SKIPPED_TAGS and not (tag == "template" and "shadowrootmode" in dict(attrs)):
            self._skipping.append(tag)
        elif tag in _CONTENT and self._skipping and self._skipping[-1] != "template":
            # A page may have left a skipped tag open before its content.
            self._skipping = []
            self._end_line()
        elif self._code is not None:
            self._note_language(attrs)
            if tag == "br":
                self._code.append("\n")
        elif tag == "pre":
            self._end_line()
            self._code, self._language = [], ""
            self._note_language(attrs)
        elif heading:
            self._end_line()
            self._prefix = "#" * int(heading.group(1)) + " "
        elif tag == "li":
            self._end_line(paragraph=False)
            value = dict(attrs).get("value") or ""
            self._prefix = (self._lists[-1] if self._lists else _List()).mark(value)
        elif tag in ("td", "th"):
            # At the start of a cell, because its end tag may be left out.
            self._line.extend([" | "] if self._line else [])
        elif tag == "br" and self._prefix.startswith("#"):
            # A heading is one line.
            self._line.append(" ")
        elif tag in ("br", "tr"):
            self._end_line(paragraph=False)
        elif tag in _BLOCKS:
            self._end_line()
            if tag in ("ul", "ol"):
                self._open_list(tag, dict(attrs))
        elif tag == "math":
            self._formula = Formula()
        elif self._formula is not None:
            self._formula.start(tag, self._line)
        elif tag in ("sup", "sub"):
            self._positions.append(tag)
        elif tag in ("ruby", "rb", "rt", "rp", "rtc"):
            # Their end tags may be left out.
            self._end_reading()
            self._reading = [] if tag in ("rt", "rp") else None
            self._in_parenthesis = tag == "rp"
            if tag == "ruby":
                self._base = len(self._line)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED_TAGS:
            if tag in self._skipping:
                while self._skipping.pop() != tag:
                    pass
        elif tag == "pre" and self._code is not None:
            self._end_code()
        elif self._code is not None:
            return
        elif tag in ("li", "tr"):
            self._end_line(paragraph=False)
            self._prefix = ""
        elif tag in ("ul", "ol") or _HEADING.match(tag):
            self._end_line()
            if self._lists and not _HEADING.match(tag):
                self._lists.pop()
            # Also without text, or the next paragraph would become the item or the heading.
            self._prefix = ""
        elif tag in _BLOCKS:
            self._end_line()
        elif tag == "math":
            self._formula = None
        elif self._formula is not None:
            self._formula.end(tag, self._line)
        elif tag in ("sup", "sub") and tag in self._positions:
            self._positions.remove(tag)
        elif tag in ("ruby", "rt", "rp"):
            self._end_reading()

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        if self._code is not None:
            self._code.append(data)
        elif self._reading is not None:
            self._reading.append(data)
        else:
            position = self._positions[-1] if self._positions else ""
            self._line.append(_POSITIONS.get(position, str)(data))

    def parse_comment(self, i: int, report: bool = True) -> int:
        """The end of a comment as browsers see it, which Python does only since 3.13.6; -1 if it is not there yet."""
        comment = _COMMENT.match(self.rawdata, i)
        return comment.end() if comment else -1

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """The end of `<![endif]-->` and the like, which browsers take for comments up to the first `>`."""
        return self.parse_bogus_comment(i, report)

    def _open_list(self, tag: str, attrs: dict[str, str | None]) -> None:
        # The first number of a list that counts down is not known before its end.
        is_numbered = tag == "ol" and "reversed" not in attrs
        style = _LIST_STYLES.get(attrs.get("type") or "", "decimal")
        self._lists.append(_List(_number(attrs.get("start"), 1) if is_numbered else None, style))

    def _end_reading(self) -> None:
        if self._reading is not None and not self._in_parenthesis:
            self._readings.add("".join(self._reading), self._base, len(self._line))
            self._base = len(self._line)
        self._reading = None

    def _note_language(self, attrs: list[tuple[str, str | None]]) -> None:
        classes = dict(attrs).get("class") or ""
        if match := _LANGUAGE.search(classes):
            self._language = match.group(1)

    def _end_code(self) -> None:
        code = "".join(self._code or []).strip("\n")
        self._code = None
        if code.strip():
            fence = "~~~~" if "```" in code else "```"
            self._ready.append(f"{fence}{self._language}\n{code}\n{fence}\n\n")

    def _end_line(self, *, paragraph: bool = True) -> None:
        self._end_reading()
        text = " ".join(("".join(self._line) + self._readings.take()).split())
        self._line, self._base = [], 0
        self._positions.clear()
        self._formula = None
        if text:
            self._ready.append(f"{self._prefix}{text if self._prefix else escape_markdown(text)}\n")
            self._prefix = ""
        if paragraph:
            self._ready.append("\n")
