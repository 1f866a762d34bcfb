"""The text of an RTF file, with its headings, notes, text boxes and lists."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from . import LeftOut, Refused, escape_markdown
from .office.symbols import symbol
from .small_characters import subscript, superscript

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n\0]+|([^\\{}\r\n\0]+)|\\"
)
_HEADING = re.compile(r"(?:heading|berschrift|titre)\s*([1-9])$", re.IGNORECASE)

_CHARACTERS = {
    "tab": " ",
    "cell": " | ",
    "nestcell": " | ",
    "line": "\n",
    "lbr": "\n",
    "softline": "\n",
    "emdash": "\u2014",
    "endash": "\u2013",
    "bullet": "•",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "lquote": "\u2018",
    "rquote": "\u2019",
    "ldblquote": "“",
    "rdblquote": "”",
}
_SYMBOLS = {b"~": " ", b"_": "-", b"{": "{", b"}": "}", b"\\": "\\", b"\t": " "}
_PARAGRAPH_ENDS = {"par", "sect", "page", "row", "nestrow", "column"}

_VISIBLE = {"ud", "shptxt", "dptxbxtext", "moMath", "moMathPara", "listtext", "pntext", "fldrslt", "result"}
"""Groups whose text is shown, also inside containers."""

_CONTAINERS = {"shpinst", "do", "shpgrp", "shppict", "upr"}
"""Groups whose own text is not shown, but which contain others that are."""

_LEFT_OUT = {
    **dict.fromkeys(("colortbl", "info", "nonshppict", "shprslt", "sp", "fldinst", "fldtype", "xe", "tc", "rxe"), ""),
    **dict.fromkeys(("objdata", "mmathPict", "listpicture", "listtable", "bkmkstart", "bkmkend", "picprop"), ""),
    **dict.fromkeys(("atnid", "atnauthor", "atrfstart", "atrfend", "pnseclvl", "formfield", "datafield"), ""),
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "page headers"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "page footers"),
    "pict": "images",
    "annotation": "comments",
}
"""Groups that are left out, and what they count as."""

_MATH_PROPERTY = re.compile(r"m[a-zA-Z]+(?:Pr|Chr|Hide|Jc|[tT]ype)$")

_CODE_PAGES = {"ansi": "cp1252", "mac": "mac-roman", "pc": "cp437", "pca": "cp850"}
_NAMED_CODE_PAGES = {65001: "utf-8", 936: "gb18030", 950: "big5hkscs", 10000: "mac-roman", 1361: "johab"}
_CHARSETS = {
    77: "mac-roman",
    78: "cp932",
    79: "big5hkscs",
    80: "cp949",
    81: "mac-arabic",
    83: "mac-greek",
    85: "gb18030",
    86: "mac-romanian",
    87: "mac-cyrillic",
    88: "cp874",
    89: "mac-latin2",
    0: "cp1252",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "big5hkscs",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
_SYMBOL_CHARSET = 2


@dataclass(frozen=True)
class _State:
    """What holds in a group."""

    shown: bool = True
    left_out: bool = False
    """Also for the groups inside it."""
    table: str = ""
    """`fonts` or `styles` in those tables."""
    unicode_skip: int = 1
    font: int = -1
    deleted: bool = False
    position: str = ""
    ignorable: bool = False
    """After `\\*`: a group whose name is not known is left out."""
    opens: str = ""
    """What ends with the group: `note`, or `box`."""


class _Paragraph:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.style = self.outline = -1
        self.in_table = False


def markdown(file: BinaryIO) -> Iterator[str | int | LeftOut]:
    data = file.read()
    if not data.lstrip().startswith(b"{\\rtf"):
        raise Refused("it is named .rtf but is not an RTF file")
    reader = _Reader(data)
    reported = 0
    for paragraph in reader.paragraphs():
        yield paragraph
        if (percent := 100 * reader.position // len(data)) > reported:
            yield percent
            reported = percent
    yield from reader.notes
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(reader.left_out.items()))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        # The format knows ASCII only; what programs write all the same is in the code page, or in UTF-8.
        self._is_utf8 = not data.isascii() and _is_utf8(data)
        self._codec = "cp1252"
        self._codecs: dict[int, str] = {}
        self._symbol_fonts: dict[int, str] = {}
        self._default_font = -1
        self._headings: dict[int, int] = {}
        self._states = [_State()]
        # Notes and text boxes stand inside paragraphs.
        self._paragraphs = [_Paragraph()]
        self._pending = b""
        self._skip = 0
        self._entry: list[str] = []
        self._entry_number = -1
        self._ready: list[str] = []
        self._note_count = 0
        self._open_notes: list[int] = []
        self.notes: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.position = 0

    def paragraphs(self) -> Iterator[str]:
        data = self._data
        while match := _TOKEN.match(data, self.position):
            self.position = match.end()
            word, number, hexadecimal, sign, brace, text = match.groups()
            if brace:
                self._brace(brace)
                if len(self._states) == 1 and brace == b"}":
                    break
            elif word:
                self._word(word.decode(), int(number) if number else None)
            elif hexadecimal:
                self._bytes(bytes.fromhex(hexadecimal.decode()), characters=1)
            elif sign:
                self._sign(sign)
            elif text:
                self._bytes(text, characters=len(text))
            yield from self._ready
            self._ready.clear()
        self._flush()
        # What was never closed is text all the same.
        self._open_notes.clear()
        while self._paragraphs:
            self._end_paragraph()
            self._paragraphs.pop()
        yield from self._ready

    @property
    def _state(self) -> _State:
        return self._states[-1]

    def _set(self, **changes: object) -> None:
        self._states[-1] = replace(self._states[-1], **changes)

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self._skip = 0
        if brace == b"{":
            self._states.append(replace(self._state, ignorable=False, opens=""))
            return
        ended = self._states.pop()
        if not self._states:
            self._states.append(_State())
        if ended.table:
            self._end_entry(ended.table)
        if ended.opens == "note":
            note = " ".join("".join(self._paragraphs.pop().text).split())
            number = self._open_notes.pop()
            self.notes.extend([f"[^{number}]: {_whole(note)}\n\n"] if note else [])
        elif ended.opens == "box":
            self._end_paragraph()
            self._paragraphs.pop()

    def _word(self, word: str, number: int | None) -> None:
        self._flush()
        if word == "bin":
            self.position += max(number or 0, 0)
            return
        if self._state.left_out:
            return
        if word == "u" and number is not None:
            self._skip = 0
            self._add(self._shown_code(number % 0x10000))
            self._skip = self._state.unicode_skip
            return
        if self._skip:
            # A control word counts as one character.
            self._skip -= 1
            return
        if self._is_group(word):
            return
        match word:
            case "uc":
                self._set(unicode_skip=min(max(number or 0, 0), 100))
            case "f":
                self._set(font=number if number is not None else -1)
                self._entry_number = (
                    number if self._state.table == "fonts" and number is not None else self._entry_number
                )
            case "fcharset" if self._state.table == "fonts":
                self._codecs[self._entry_number] = _CHARSETS.get(number or 0, "")
                if number == _SYMBOL_CHARSET:
                    self._symbol_fonts[self._entry_number] = ""
            case "deff":
                self._default_font = number or 0
            case "ansicpg":
                self._codec = _code_page(number or 0) or self._codec
            case "plain":
                self._set(font=-1, deleted=False, position="")
            case "deleted":
                self._set(deleted=number != 0)
            case "super" | "sub":
                self._set(position=word if number != 0 else "")
            case "nosupersub":
                self._set(position="")
            case "s":
                if self._state.table == "styles":
                    self._entry_number = number or 0
                else:
                    self._paragraphs[-1].style = number or 0
            case "outlinelevel" if self._state.table == "":
                self._paragraphs[-1].outline = number or 0
            case "pard":
                self._paragraphs[-1].style = self._paragraphs[-1].outline = -1
                self._paragraphs[-1].in_table = False
            case "intbl":
                self._paragraphs[-1].in_table = True
            case "par" if self._paragraphs[-1].in_table:
                self._add(" ")
            case _ if word in _CODE_PAGES:
                self._codec = _CODE_PAGES[word]
            case _ if word in _CHARACTERS:
                self._add(_CHARACTERS[word])
            case _ if word in _PARAGRAPH_ENDS and self._is_text:
                self._end_paragraph(is_row=word.endswith("row"))

    def _is_group(self, word: str) -> bool:
        """Whether the word names its group, and what that means for the text."""
        if word in ("footnote", "shptxt", "dptxbxtext"):
            self._open(word)
        elif word in _VISIBLE:
            self._set(shown=True, ignorable=False)
        elif word in _CONTAINERS:
            self._set(shown=False, ignorable=False)
        elif word in _LEFT_OUT or _MATH_PROPERTY.match(word):
            if what := _LEFT_OUT.get(word):
                self.left_out[what] += 1
            self._set(left_out=True)
        elif word in ("fonttbl", "stylesheet"):
            self._set(shown=False, table="fonts" if word == "fonttbl" else "styles")
        elif self._state.ignorable:
            self._set(left_out=True)
        else:
            return False
        return True

    def _open(self, word: str) -> None:
        if word == "footnote":
            self._note_count += 1
            self._set(position="")
            self._add(f"[^{self._note_count}]")
            self._open_notes.append(self._note_count)
        self._paragraphs.append(_Paragraph())
        self._set(shown=True, ignorable=False, opens="note" if word == "footnote" else "box", position="")

    def _sign(self, sign: bytes) -> None:
        self._flush()
        if self._state.left_out:
            return
        if self._skip:
            self._skip -= 1
        elif sign == b"*":
            self._set(ignorable=True)
        elif sign in (b"\r", b"\n"):
            if self._is_text:
                self._end_paragraph()
        else:
            self._add(_SYMBOLS.get(sign, ""))

    def _bytes(self, content: bytes, characters: int) -> None:
        if self._state.left_out:
            return
        skipped = min(self._skip, characters)
        self._skip -= skipped
        content = content[skipped:]
        if self._is_utf8 and not content.isascii() and characters > 1:
            self._flush()
            self._add(content.decode("utf-8", "replace"))
        elif content:
            # Its other byte may follow in another form.
            self._pending += content

    def _flush(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, b""
        font = self._font
        if font in self._symbol_fonts and not self._state.table:
            self._add("".join(self._shown_code(0xF000 + byte) for byte in pending))
        else:
            self._add(pending.decode(self._codecs.get(font) or self._codec, "replace"))

    @property
    def _font(self) -> int:
        return self._state.font if self._state.font >= 0 else self._default_font

    def _shown_code(self, code: int) -> str:
        font = self._font
        if 0xF000 <= code <= 0xF0FF and font in self._symbol_fonts:
            name = self._symbol_fonts[font]
            # Lists take bullets from fonts with any name.
            return symbol(f"{code:X}", name) or ("•" if code == 0xF0B7 else chr(code & 0xFF))
        return chr(code)

    @property
    def _is_text(self) -> bool:
        return self._state.shown and not self._state.table

    def _add(self, text: str) -> None:
        state = self._state
        if state.table:
            self._entry.append(text)
            if ";" in text:
                self._end_entry(state.table)
        elif state.shown and text:
            if state.deleted:
                self.left_out["deleted text"] += 1
                return
            small = {"super": superscript, "sub": subscript}.get(state.position)
            self._paragraphs[-1].text.append(small(text) if small else text)

    def _end_entry(self, table: str) -> None:
        name = "".join(self._entry).strip().rstrip(";").strip()
        self._entry.clear()
        if not name:
            return
        if table == "styles" and (match := _HEADING.search(name)):
            self._headings[self._entry_number] = int(match[1])
        elif table == "fonts" and self._entry_number in self._symbol_fonts:
            self._symbol_fonts[self._entry_number] = name

    def _end_paragraph(self, *, is_row: bool = False) -> None:
        paragraph = self._paragraphs[-1]
        if self._open_notes and paragraph is not self._paragraphs[0]:
            paragraph.text.append("\n")
            return
        text = _whole("".join(paragraph.text))
        paragraph.text = []
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            return
        level = paragraph.outline + 1 if 0 <= paragraph.outline < 9 else self._headings.get(paragraph.style, 0)
        if level:
            self._ready.append(f"\n{'#' * min(level, 6)} {' '.join(lines)}\n\n")
        else:
            end = "\n" if is_row else "\n\n"
            self._ready.append("\n".join(map(escape_markdown, lines)) + end)


def _whole(text: str) -> str:
    """The text with its surrogates, which the format writes one by one, joined to characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _code_page(number: int) -> str:
    name = {65001: "utf-8", 936: "gb18030", 950: "big5hkscs", 10000: "mac-roman", 1361: "johab"}.get(
        number, f"cp{number}"
    )
    try:
        return codecs.lookup(name).name
    except LookupError:
        return ""
