"""The text of a workbook: a heading for each sheet, a line for each row."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import isfinite

from .. import LeftOut, escape_markdown
from ..archive import Start
from . import drawingml, opc
from .opc import Package

_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""Numbers of built-in formats that show dates or times."""

_ELAPSED_TIME = 46
_PERCENTAGES = {9, 10}
_LITERAL = re.compile(r'"[^"]*"|\\.|\[(?!h|m|s)[^\]]*\]|_.|\*.', re.IGNORECASE)
"""What a format shows as it stands, and what is no part of a date in it."""
_ESCAPED = re.compile("_x([0-9A-F]{4})_", re.IGNORECASE)
"""A character that XML cannot hold, or an underscore before what would look like one."""
_MARGIN = re.compile("(?:odd|even|first)(Header|Footer)")


def markdown(package: Package) -> Iterator[str | int | LeftOut]:
    by_id = {each.id: each for each in package.relationships(package.main_part)}
    parts = package.parts(package.main_part)
    left_out: Counter[str] = Counter()
    for kind in parts.keys() & opc.LEFT_OUT.keys():
        left_out[opc.LEFT_OUT[kind]] += len(parts[kind])
    strings = [text for part in parts.get("sharedStrings", []) for text in _strings(package, part)]
    formats = [kind for part in parts.get("styles", []) for kind in _formats(package, part)]
    sheets: dict[str, tuple[str, str]] = {}
    epoch = datetime(1899, 12, 30)
    for token in package.tokens(package.main_part):
        if isinstance(token, Start) and token.name == "sheet" and token.get("r:id") in by_id:
            sheet = by_id[token.get("r:id")]
            sheets.setdefault(sheet.part, (" ".join(token.get("name").split()), sheet.kind))
        elif isinstance(token, Start) and token.name == "workbookPr" and token.get("date1904") in ("1", "true"):
            epoch = datetime(1904, 1, 1)
    for number, (part, (name, kind)) in enumerate(sheets.items(), start=1):
        yield f"\n# {name}\n\n"
        if kind == "worksheet":
            yield from _rows(package, part, strings, formats, epoch, left_out)
        parts = package.parts(part)
        for drawing in parts.get("drawing", []):
            yield "\n"
            yield from drawingml.markdown(package.tokens(drawing), left_out)
            for kind, targets in package.parts(drawing).items():
                parts.setdefault(kind, []).extend(targets)
        for kind in parts.keys() & opc.LEFT_OUT.keys():
            left_out[opc.LEFT_OUT[kind]] += len(parts[kind])
        yield "\n"
        yield 100 * number // len(sheets)
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(left_out.items()))


def _strings(package: Package, part: str) -> Iterator[str]:
    """The texts that cells point to, without the readings of their characters."""
    text: list[str] = []
    in_text, in_reading = False, False
    for token in package.tokens(part):
        if isinstance(token, str):
            text.extend([token] if in_text and not in_reading else [])
        elif token.name == "t":
            in_text = isinstance(token, Start)
        elif token.name == "rPh":
            in_reading = isinstance(token, Start)
        elif token.name == "si":
            if not isinstance(token, Start):
                yield _unescaped("".join(text))
            text = []


def _formats(package: Package, part: str) -> Iterator[str]:
    """`date`, `time` (elapsed), `percent`, zeros to fill up with, or nothing, for each format of cells."""
    own: dict[str, str] = {}
    in_cells = False
    for token in package.tokens(part):
        if isinstance(token, str):
            continue
        if token.name == "cellXfs":
            in_cells = isinstance(token, Start)
        elif isinstance(token, Start) and token.name == "numFmt":
            own[token.get("numFmtId")] = token.get("formatCode")
        elif isinstance(token, Start) and token.name == "xf" and in_cells:
            id_ = token.get("numFmtId")
            yield _kind_of(own[id_]) if id_ in own else _kind_of_builtin(id_)


def _kind_of(code: str) -> str:
    # The part before the first semicolon is for positive numbers.
    bare = _LITERAL.sub("", code.partition(";")[0]).lower()
    if "general" in bare or not re.search("[dmyhs]", bare):
        return bare if re.fullmatch("00+", bare) else "percent" if "%" in bare else ""
    return "time" if re.search(r"\[[hms]+\]", bare) else "date"


def _kind_of_builtin(id_: str) -> str:
    number = int(id_) if id_.isdecimal() and len(id_) < 6 else 0
    if number == _ELAPSED_TIME:
        return "time"
    return "date" if number in _DATES else "percent" if number in _PERCENTAGES else ""


def _rows(
    package: Package, part: str, strings: list[str], formats: list[str], epoch: datetime, left_out: Counter[str]
) -> Iterator[str]:
    cells: list[str] = []
    value: list[str] = []
    formula: list[str] = []
    into: list[str] | None = None
    kind = style = ""
    in_reading = False
    for token in package.tokens(part):
        if isinstance(token, str):
            if into is not None and not in_reading:
                into.append(token)
            continue
        is_start = isinstance(token, Start)
        match token.name:
            case "row" if not is_start:
                if cells:
                    yield f"{escape_markdown(' | '.join(cells))}\n"
                cells = []
            case "c" if is_start:
                kind, style, value, formula = token.get("t"), token.get("s"), [], []
            case "c":
                shown = _shown(kind, "".join(value), formats, style, strings, epoch)
                if not value and formula:
                    # A program wrote the file, and no Excel has calculated it since.
                    left_out["results of formulas, which nobody calculated"] += 1
                    shown = "=" + "".join(formula)
                cells.extend([shown] if shown else [])
            case "v" | "t":
                into = value if is_start else None
            case "f":
                into = formula if is_start else None
            case "rPh":
                in_reading = is_start
            case name if is_start and (margin := _MARGIN.fullmatch(name)):
                left_out[f"page {margin[1].lower()}s"] += 1


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), text)


def _shown(kind: str, value: str, formats: list[str], style: str, strings: list[str], epoch: datetime) -> str:
    """What a cell shows, on one line."""
    if kind == "s":
        number = int(value) if value.isdecimal() and len(value) < 12 else len(strings)
        return " ".join(strings[number].split()) if number < len(strings) else ""
    if kind == "b":
        return {"1": "TRUE", "0": "FALSE"}.get(value.strip(), value)
    if kind in ("", "n") and value.strip():
        format_ = formats[int(style)] if style.isdecimal() and len(style) < 7 and int(style) < len(formats) else ""
        try:
            return _shown_number(float(value), value, format_, epoch)
        except ValueError:
            return value.strip()
    return " ".join(_unescaped(value).split())


def _shown_number(number: float, value: str, format_: str, epoch: datetime) -> str:
    if not isfinite(number):
        return value.strip()
    if format_ == "percent":
        return f"{number * 100:.10g}%"
    if format_.startswith("0") and number.is_integer():
        return f"{int(number):0{len(format_)}}"
    if format_ == "time" and 0 <= number < 2_958_466:
        seconds = round(number * 86400)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}" + (f":{seconds % 60:02}" if seconds % 60 else "")
    if format_ == "date" and 0 <= number < 2_958_466:
        # Seconds, because Excel's fractions of a day are not exact.
        seconds = round(number * 86400)
        if number < 1:
            return f"{seconds // 3600:02}:{seconds // 60 % 60:02}" + (f":{seconds % 60:02}" if seconds % 60 else "")
        # Excel has a 29th of February 1900, as Lotus 1-2-3 had.
        missing_day = timedelta(days=1) if epoch.year == 1899 and number < 60 else timedelta()
        shown = epoch + timedelta(seconds=seconds) + missing_day
        return shown.date().isoformat() if seconds % 86400 == 0 else shown.isoformat(" ", "minutes")
    # 0.1 + 0.2 is 0.3 on a sheet. Whole numbers can be names of something.
    return f"{number:.15g}" if re.search("[.eE]", value) else value.strip()
