"""The text of an OpenDocument file: of a text, a sheet, slides or a drawing.

Footnotes and endnotes follow the text. Lists have their numbers.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from . import LeftOut, Refused, escape_markdown
from .archive import PIECE, Archive, Start, Token, outside, refusing, tokens
from .numbering import Counters, Level
from .small_characters import Readings

_FORMATS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman", "1": "decimal", "": "none"}
_SKIPPED = {
    "tracked-changes": "deleted text",
    "annotation": "comments",
    "scripts": "",
    "forms": "",
    "event-listeners": "",
    "font-face-decls": "",
    "sequence-decls": "",
    "master-styles": "",
    "meta": "",
    "binary-data": "",
}
"""Elements whose text is left out, and what they count as."""

_COUNTED = {"object": "embedded objects", "object-ole": "embedded objects", "plugin": "films and sounds"}
_MAX_REPEATED = 100
"""Times that a repeated row or cell with text is read: a sheet can repeat one a million times."""


def markdown(archive: Archive) -> Iterator[str | int | LeftOut]:
    """Of a package."""
    if archive.has("META-INF/manifest.xml"):
        names = (token.name for token in archive.tokens("META-INF/manifest.xml") if isinstance(token, Start))
        if "encryption-data" in names:
            raise Refused("it is encrypted; save it without a password")
    left_out: Counter[str] = Counter()
    lists = _list_styles(archive.tokens("styles.xml")) if archive.has("styles.xml") else {}
    size = archive.size("content.xml")
    for paragraph in _Reader(lists, left_out).paragraphs(archive.tokens("content.xml")):
        yield paragraph
        yield archive.percent(size)
    if archive.has("styles.xml"):
        left_out.update(_margins(archive.tokens("styles.xml")))
    if any(name.startswith("basic/") for name in archive.names()):
        left_out["macros"] += 1
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(left_out.items()))


def flat_markdown(file: BinaryIO) -> Iterator[str | LeftOut]:
    """Of a document that is one XML file, with the styles of its pages before its text."""
    left_out: Counter[str] = Counter()
    with refusing():
        yield from _Reader({}, left_out).paragraphs(tokens(iter(lambda: file.read(PIECE), b"")))
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(left_out.items()))


def _margins(tokens: Iterator[Token]) -> Iterator[str]:
    """What stands on every page: a word for each header and footer that has text."""
    kind = ""
    for token in tokens:
        if isinstance(token, str):
            if kind and token.strip():
                yield kind
                kind = ""
        elif match := re.match("(header|footer)(?:-left|-first)?$", token.name):
            kind = f"page {match[1]}s" if isinstance(token, Start) and "style" in token.namespace else ""


def _list_styles(tokens: Iterator[Token]) -> dict[str, dict[int, Level]]:
    lists: dict[str, dict[int, Level]] = {}
    for token in tokens:
        if isinstance(token, Start):
            _note_list_style(token, lists)
    return lists


def _note_list_style(token: Start, lists: dict[str, dict[int, Level]]) -> None:
    if token.name == "list-style":
        lists[token.get("name")] = {}
    elif token.name == "outline-style":
        lists[""] = {}
    elif token.name in ("list-level-style-number", "list-level-style-bullet", "outline-level-style") and lists:
        level = _number(token.get("level"), 1)
        shown = _number(token.get("display-levels"), 1)
        numbers = ".".join(f"%{each}" for each in range(max(level - shown + 1, 1), level + 1))
        is_bullet = token.name == "list-level-style-bullet"
        style = "bullet" if is_bullet else _FORMATS.get(token.get("num-format"), "decimal")
        text = "" if style == "none" else f"{token.get('num-prefix')}{numbers}{token.get('num-suffix')}"
        next(reversed(lists.values()))[level - 1] = Level(style, text, _number(token.get("start-value"), 1))


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else default


def _value(cell: Start) -> str:
    """Programs other than offices may write a cell's value alone. A formula without a value was never calculated."""
    if not cell.get("value-type"):
        formula = cell.get("formula")
        return f"={formula.partition('=')[2]}" if formula else ""
    names = ("string-value", "date-value", "time-value", "boolean-value", "value")
    return next(filter(None, map(cell.get, names)), "")


class _Paragraph:
    def __init__(self, mark: str = "", level: int = 0) -> None:
        self.text: list[str] = [mark] if mark else []
        self.level = level
        self.readings = Readings()


class _Cells:
    """The texts of an open cell or row, and how often it stands there: at most _MAX_REPEATED times."""

    def __init__(self, repeated: int, value: str = "") -> None:
        self.texts: list[str] = []
        self.value = value
        """What a cell shows that has a value and no text."""
        self.repeated = min(repeated, _MAX_REPEATED)


class _List:
    """An open list: its style, and the counters that it shares with the lists inside it."""

    def __init__(self, style: str, counters: Counters) -> None:
        self.style = style
        self.counters = counters
        self.mark = ""


class _Reader:
    """Turns XML into paragraphs. A note or a text box is a paragraph within another, so they form a stack."""

    def __init__(self, lists: dict[str, dict[int, Level]], left_out: Counter[str]) -> None:
        self._styles = lists
        self._left_out = left_out
        self._open_lists: list[_List] = []
        self._counters: dict[str, Counters] = {}
        self._ids: dict[str, Counters] = {}
        self._outline = Counters()
        self._notes: list[str] = []
        self._is_sheet = False

    def paragraphs(self, tokens: Iterator[Token]) -> Iterator[str]:
        stack: list[_Paragraph] = []
        # Tables nest, in cells.
        rows: list[_Cells] = []
        cells: list[_Cells] = []
        tables = 0
        in_citation = in_reading = in_description = False
        citation: list[str] = []
        reading: list[str] = []
        description: list[str] = []
        base = 0
        note_depth = 0
        for token in outside(tokens, self._is_left_out):
            if isinstance(token, str):
                if in_description:
                    description.append(token)
                elif in_citation:
                    citation.append(token)
                elif in_reading:
                    reading.append(token)
                elif stack:
                    # Blanks and line ends count as one blank, as in HTML.
                    stack[-1].text.append(re.sub("[ \t\r\n]+", " ", token))
                continue
            name = token.name
            if isinstance(token, Start):
                if name in ("p", "h") and "text" in token.namespace:
                    stack.append(_Paragraph(level=_number(token.get("outline-level"), 1) if name == "h" else 0))
                    stack[-1].text.extend(self._take_mark(token))
                elif name == "list":
                    self._open_list(token)
                elif name in ("list-item", "list-header"):
                    self._start_item(token, numbered=name == "list-item")
                elif name == "table":
                    tables += 1
                    if title := token.get("name") if tables == 1 and not stack and self._is_sheet else "":
                        yield f"\n# {' '.join(title.split())}\n\n"
                elif name == "table-row":
                    rows.append(_Cells(_number(token.get("number-rows-repeated"), 1)))
                elif name in ("table-cell", "covered-table-cell"):
                    cells.append(_Cells(_number(token.get("number-columns-repeated"), 1), _value(token)))
                elif name == "spreadsheet":
                    self._is_sheet = True
                elif name == "page" and "drawing" in token.namespace:
                    yield f"\n# {' '.join(token.get('name').split())}\n\n" if token.get("name") else ""
                elif name == "note-citation":
                    in_citation, citation = True, []
                elif name == "note-body":
                    note_depth = len(stack)
                    if stack:
                        stack[-1].text.append(f"[^{''.join(citation).strip()}]")
                elif name == "ruby-base" and stack:
                    base = len(stack[-1].text)
                elif name == "ruby-text":
                    in_reading, reading = True, []
                elif name in ("desc", "title") and "svg" in token.namespace:
                    in_description, description = True, []
                else:
                    self._start(token, stack[-1].text if stack else [])
                continue

            if name in ("p", "h") and stack and "text" in token.namespace:
                paragraph = stack.pop()
                text = "".join(paragraph.text) + paragraph.readings.take()
                if note_depth and len(stack) == note_depth:
                    if text.strip():
                        self._notes.append(f"[^{''.join(citation).strip()}]: {' '.join(text.split())}\n\n")
                elif cells:
                    cells[-1].texts.append(" ".join(text.split()))
                else:
                    yield _markdown(text, paragraph.level)
            elif name == "list" and self._open_lists:
                self._open_lists.pop()
            elif name in ("table-cell", "covered-table-cell") and cells:
                ended = cells.pop()
                content = " ".join(filter(None, ended.texts)) or ended.value
                if content and rows:
                    rows[-1].texts.extend([content] * ended.repeated)
            elif name == "table-row" and rows:
                ended = rows.pop()
                if ended.texts:
                    yield f"{escape_markdown(' | '.join(ended.texts))}\n" * ended.repeated
            elif name == "table":
                tables -= 1
                yield "\n"
            elif name == "note-citation":
                in_citation = False
            elif name == "note-body":
                note_depth = 0
            elif name == "ruby-text":
                in_reading = False
            elif name == "ruby" and stack:
                stack[-1].readings.add("".join(reading), base, len(stack[-1].text))
            elif name in ("desc", "title") and in_description:
                in_description = False
                if text := " ".join("".join(description).split()):
                    yield f"[Image: {text}]\n\n"
        yield from self._notes

    def _is_left_out(self, token: Start) -> bool:
        if token.name not in _SKIPPED:
            return False
        if what := _SKIPPED[token.name]:
            self._left_out[what] += 1
        return True

    def _start(self, token: Start, text: list[str]) -> None:
        match token.name:
            case "s":
                text.append(" " * min(_number(token.get("c"), 1), 80))
            case "tab":
                text.append(" ")
            case "line-break":
                text.append("\n")
            case "image":
                self._left_out["images"] += 1
            case "hidden-text":
                text.append(token.get("string-value"))
            case name if name in _COUNTED:
                self._left_out[_COUNTED[name]] += 1
            case _:
                _note_list_style(token, self._styles)

    def _open_list(self, token: Start) -> None:
        outer = self._open_lists[-1] if self._open_lists else None
        style = token.get("style-name") or (outer.style if outer else "")
        continued = self._ids.get(token.get("continue-list"))
        if continued is None and token.get("continue-numbering") == "true":
            continued = self._counters.get(style)
        counters = outer.counters if outer else continued or Counters()
        self._counters[style] = self._ids[token.get("id")] = counters
        self._open_lists.append(_List(style, counters))

    def _start_item(self, token: Start, *, numbered: bool) -> None:
        if not self._open_lists:
            return
        open_list, depth = self._open_lists[-1], len(self._open_lists) - 1
        levels = self._styles.get(open_list.style, {})
        if not numbered:
            open_list.mark = ""
        elif depth in levels:
            open_list.mark = open_list.counters.next(levels, depth)
        else:
            open_list.mark = "-"

    def _take_mark(self, token: Start) -> list[str]:
        """The mark of a list's item, before its first paragraph, or the number of a heading."""
        if self._open_lists:
            mark, self._open_lists[-1].mark = self._open_lists[-1].mark, ""
            return [f"{mark} "] if mark else []
        if token.name == "h":
            levels, depth = self._styles.get("", {}), _number(token.get("outline-level"), 1) - 1
            mark = self._outline.next(levels, depth) if depth in levels else ""
            return [f"{mark} "] if mark else []
        return []


def _markdown(text: str, level: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    if level:
        return f"\n{'#' * min(level, 6)} {' '.join(lines)}\n\n"
    return "\n".join(map(escape_markdown, lines)) + "\n\n"
