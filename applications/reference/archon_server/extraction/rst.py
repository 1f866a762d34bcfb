"""reStructuredText as Markdown: titles become headings, literal blocks become code. The rest stays as it is written."""

import re
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from . import Refused, encodings, escape_markdown
from .encodings import Encoding

_LINE_SIZE = 1_000_000
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_CODE = re.compile(r"\s*\.\. (?:code|code-block|sourcecode|highlight|parsed-literal|doctest|literalinclude)::\s*(\S*)")
_OPTION = re.compile(r"\s+:[\w-]+:")
_MAX_TITLE = 500


def markdown(file: BinaryIO, charset: str = "") -> Iterator[str | Encoding]:
    """`charset` is the encoding that the client named, if any."""
    try:
        encoding = encodings.of_file(file, declared=charset)
    except encodings.UnknownEncoding as error:
        raise Refused(str(error)) from error
    if encoding.confidence is not None:
        yield encoding
    yield from convert(_lines(encoding.reader(file)))


def convert(lines: Iterator[str]) -> Iterator[str]:
    """`lines` are without their ends."""
    levels: list[str] = []
    # A title is known by the line below it, so that up to two lines wait.
    waiting: list[str] = []
    for line in _with_code(lines):
        if isinstance(line, _Code):
            yield from _plain(waiting)
            yield line.text
            waiting = []
            continue
        waiting.append(line)
        title = _title(waiting)
        if title:
            text, style = title
            if style not in levels:
                levels.append(style)
            yield f"\n{'#' * min(levels.index(style) + 1, 6)} {text}\n\n"
            waiting = []
        while len(waiting) > 2:
            yield from _plain([waiting.pop(0)])
    yield from _plain(waiting)


def _title(lines: list[str]) -> tuple[str, str] | None:
    """The title that the lines end with, and its style: the character of the lines around it, twice if also above."""
    if len(lines) < 2:
        return None
    *above, text, below = lines[-3:]
    under, bare = _ADORNMENT.match(below), text.strip()
    if not under or not bare or _ADORNMENT.match(text) or len(text) > _MAX_TITLE:
        return None
    over = _ADORNMENT.match(above[0]) if above else None
    if over and over[1] == under[1] and len(above[0]) == len(below):
        return bare, under[1] * 2
    # Text of a title without a line above starts at the margin, and its line is as long: a table's is not alone.
    if text[0].isspace() or len(below) < min(_width(bare), 4) or (above and above[0].strip()):
        return None
    return bare, under[1]


def _width(text: str) -> int:
    return sum(1 if ord(character) < 0x1100 else 2 for character in text)


def _plain(lines: list[str]) -> Iterator[str]:
    yield from (f"{escape_markdown(line)}\n" for line in lines)


class _Code:
    def __init__(self, text: str) -> None:
        self.text = text


def _with_code(lines: Iterator[str]) -> Iterator[str | _Code]:
    """The lines, with each literal block as one item."""
    block: list[str] = []
    language = ""
    outer = -1
    for line in lines:
        if outer >= 0:
            indent = len(line) - len(line.lstrip())
            if not line.strip() or indent > outer:
                block.append(line)
                continue
            yield _Code(_fenced(block, language))
            block, outer, language = [], -1, ""
        directive = _CODE.match(line)
        if directive or (line.rstrip().endswith("::") and not line.lstrip().startswith("..")):
            outer = len(line) - len(line.lstrip())
            language = directive[1] if directive else ""
            if not directive:
                # One of the colons is text.
                yield "" if line.strip() == "::" else line.rstrip()[:-1]
            continue
        yield line
    if outer >= 0:
        yield _Code(_fenced(block, language))


def _fenced(block: list[str], language: str) -> str:
    # The options of a directive stand before an empty line.
    while block and (not block[0].strip() or _OPTION.match(block[0])):
        block = block[1:]
    while block and not block[-1].strip():
        block = block[:-1]
    if not block:
        return "\n"
    margin = min(len(line) - len(line.lstrip()) for line in block if line.strip())
    code = "\n".join(line[margin:].rstrip() for line in block)
    fence = "~~~~" if "```" in code else "```"
    return f"\n{fence}{language}\n{code}\n{fence}\n\n"


def _lines(text: TextIO) -> Iterator[str]:
    mark = "\ufeff"
    while line := text.readline(_LINE_SIZE):
        yield line.removeprefix(mark).rstrip("\r\n").expandtabs(8)
        mark = ""
