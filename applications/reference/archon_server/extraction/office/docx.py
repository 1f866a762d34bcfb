"""The text of a Word document: headings by their styles, lists with their numbers, tables by lines.

What a document only points to is either read at its end (footnotes, endnotes, diagrams) or named as left out.
"""

from collections import Counter
from collections.abc import Iterator

from .. import LeftOut, escape_markdown
from ..archive import Start, Token
from ..small_characters import Readings, subscript, superscript
from . import drawingml, opc
from .formulas import Formulas
from .numbering import Numbering, Styles
from .opc import Package
from .symbols import symbol

_NOTES = {"footnotes": "footnote", "endnotes": "endnote"}
_POSITIONS = {"superscript": superscript, "subscript": subscript}

_SKIPPED = {"del", "moveFrom", "tabs"}
"""Text that was deleted or that stands again where it was moved to; tab stops, which are named like tabs."""


def markdown(package: Package) -> Iterator[str | int | LeftOut]:
    parts = package.parts(package.main_part)
    usual = ["word/styles.xml"] if package.has("word/styles.xml") else []
    styles = Styles(package, parts.get("styles", usual))
    left_out: Counter[str] = Counter()
    reader = _Reader(styles, Numbering(package, parts.get("numbering", []), styles), left_out)
    size = package.size(package.main_part)
    for paragraph in reader.paragraphs(package.tokens(package.main_part)):
        yield paragraph
        yield package.percent(size)
    for kind, note in _NOTES.items():
        for part in parts.get(kind, []):
            yield from reader.notes(package.tokens(part), note)
    for part in parts.get("diagramData", []):
        yield from drawingml.markdown(package.tokens(part), left_out)
    named = {opc.LEFT_OUT[kind] for kind in parts if kind in opc.LEFT_OUT}
    counted = (f"{what} ({count})" for what, count in left_out.items())
    yield from map(LeftOut, sorted([*named, *counted]))


class _Paragraph:
    def __init__(self, mark: str = "") -> None:
        self.text: list[str] = [mark] if mark else []
        self.readings = Readings()
        self.style = self.list = self.list_level = self.outline = ""
        self.is_list = self.is_deleted = False


class _Reader:
    """Turns a part's XML into paragraphs. A text box is a paragraph within another, so they form a stack."""

    def __init__(self, styles: Styles, numbering: Numbering, left_out: Counter[str]) -> None:
        self._styles = styles
        self._numbering = numbering
        self._left_out = left_out
        self._choices = self._chosen = 0

    def notes(self, tokens: Iterator[Token], kind: str) -> Iterator[str]:
        """The notes of a part, each after the mark that stands in the text. Separators are notes without text."""
        for paragraph in self.paragraphs(tokens, note=kind):
            yield f"{paragraph.strip()}\n\n" if paragraph.strip() else ""

    def paragraphs(self, tokens: Iterator[Token], note: str = "") -> Iterator[str]:
        open_names: list[str] = []
        stack = [_Paragraph()]
        # Rows of tables, which nest.
        rows = written = 0
        skipped = 0
        deletes = False
        alternatives: list[int] = []
        mark = ""
        in_text = False
        formulas = Formulas()
        reading: list[str] = []
        in_reading, base, position = False, 0, ""
        for token in tokens:
            paragraph = stack[-1]
            if isinstance(token, str):
                if in_text and not skipped:
                    (reading if in_reading else paragraph.text).append(_POSITIONS.get(position, str)(token))
                    written += 1
                continue
            name = token.name
            vocabulary = opc.vocabulary(token.namespace)
            is_formula = vocabulary == "math"
            if isinstance(token, Start):
                parent = open_names[-1] if open_names else ""
                open_names.append(name)
                if skipped:
                    deletes = deletes or name == "delText"
                    continue
                # `w:rPrChange` and its kind hold the formatting before a tracked change.
                if (
                    name in _SKIPPED
                    or name.endswith("Change")
                    or (name == "Fallback" and alternatives and written > alternatives[-1])
                ):
                    skipped, deletes = len(open_names), False
                    paragraph.is_deleted |= name == "del" and parent == "rPr"
                elif name == "AlternateContent":
                    alternatives.append(written)
                elif name == "p" and vocabulary:
                    stack.append(_Paragraph(mark))
                    mark = ""
                elif name == "t" and vocabulary:
                    in_text = True
                elif is_formula:
                    formulas.start(token, paragraph.text)
                elif name == "tr":
                    rows += 1
                elif name == note:
                    mark = "" if token.get("type") in ("separator", "continuationSeparator") else _mark(token)
                elif name == "r":
                    position = ""
                elif name == "vertAlign":
                    position = token.get("val")
                elif name == "rt":
                    reading, in_reading = [], True
                elif name == "rubyBase":
                    base = len(paragraph.text)
                else:
                    before = len(paragraph.text) + self._left_out.total()
                    self._start(token, paragraph)
                    written += len(paragraph.text) + self._left_out.total() - before
                continue

            if skipped:
                if skipped == len(open_names):
                    skipped = 0
                    if deletes:
                        self._left_out["deleted text"] += 1
                open_names.pop()
                continue
            open_names.pop()
            if name == "t" and vocabulary:
                in_text = False
            elif is_formula:
                formulas.end(token, paragraph.text)
            elif name == "AlternateContent" and alternatives:
                alternatives.pop()
            elif name == "rt":
                in_reading = False
            elif name == "ruby":
                paragraph.readings.add("".join(reading), base, len(paragraph.text))
            elif name == "p" and len(stack) > 1 and vocabulary:
                yield self._markdown(stack.pop(), in_table=rows > 0)
            elif name == "tr":
                rows -= 1
                yield "\n"

    def _start(self, token: Start, paragraph: _Paragraph) -> None:
        name, value = token.name, token.get("val")
        match name:
            case "tab" | "ptab":
                paragraph.text.append(" ")
            case "br" | "cr":
                paragraph.text.append("\n")
            case "noBreakHyphen":
                paragraph.text.append("-")
            case "sym":
                paragraph.text.append(self._symbol(token))
            case "textpath":
                paragraph.text.append(token.get("string"))
            case "ddList":
                self._choices = self._chosen = 0
            case "result" if value.isdecimal():
                self._chosen = int(value)
            case "listEntry":
                # The field has no other text than the entry that was chosen.
                paragraph.text.extend([value] if self._choices == self._chosen else [])
                self._choices += 1
            case "footnoteReference" | "endnoteReference":
                paragraph.text.append(f"[^{token.get('id')}]")
            case "pStyle":
                paragraph.style = value
            case "outlineLvl":
                paragraph.outline = value
            case "numPr":
                paragraph.is_list = True
            case "numId":
                paragraph.list, paragraph.is_list = value, value != "0"
            case "ilvl":
                paragraph.list_level = value
            case "docPr" if text := " ".join(token.get("descr").split()):
                paragraph.text.append(f"[Image: {text}]")
            case "blip" | "imagedata":
                self._left_out["images"] += 1

    def _symbol(self, token: Start) -> str:
        code, font = token.get("char"), token.get("font")
        known = symbol(code, font)
        if known is None:
            self._left_out["symbols of fonts without Unicode"] += 1
        return known or f"[symbol {code} of {font or 'an unknown font'}]"

    def _markdown(self, paragraph: _Paragraph, *, in_table: bool) -> str:
        text = "".join(paragraph.text) + paragraph.readings.take()
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines and paragraph.is_deleted:
            return ""
        # An empty paragraph counts too.
        mark = self._numbering.mark(paragraph.list, paragraph.list_level, paragraph.style)
        if not lines:
            return ""
        if not mark and paragraph.is_list and not paragraph.list:
            mark = "-"
        outline = int(paragraph.outline) if paragraph.outline.isdecimal() else -1
        level = (outline + 1) % 10 if 0 <= outline <= 9 else self._styles.heading_level(paragraph.style)
        if level:
            title = " ".join([mark, *lines] if mark not in ("", "-") else lines)
            return f"\n{'#' * min(level, 6)} {title}\n\n"
        if in_table:
            return f"{' '.join([mark, *lines] if mark else lines)} | "
        body = "\n".join(map(escape_markdown, lines))
        return f"{mark} {body}\n" if mark else f"{body}\n\n"


def _mark(note: Start) -> str:
    return f"[^{note.get('id')}]: "
