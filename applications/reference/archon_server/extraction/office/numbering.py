"""The styles of a Word document, and the lists that its paragraphs belong to."""

import re
from dataclasses import dataclass, field, replace

from ..archive import End, Start
from ..numbering import Counters, Level
from .opc import Package

_HEADING = re.compile(r"(?:heading|berschrift|titre)\s*([1-9])$", re.IGNORECASE)
_BODY_LEVEL = 9
"""The outline level of text that is no heading."""


@dataclass
class _Style:
    name: str = ""
    based_on: str = ""
    outline: str = ""
    number: str = ""
    level: str = ""


class Styles:
    def __init__(self, package: Package, parts: list[str]) -> None:
        self._styles: dict[str, _Style] = {}
        style = _Style()
        for part in parts:
            for token in package.tokens(part):
                if not isinstance(token, Start):
                    continue
                value = token.get("val")
                match token.name:
                    case "style":
                        style = self._styles[token.get("styleId")] = _Style()
                    case "name":
                        style.name = value
                    case "basedOn":
                        style.based_on = value
                    case "outlineLvl":
                        style.outline = value
                    case "numId":
                        style.number = value
                    case "ilvl":
                        style.level = value

    def heading_level(self, style_id: str) -> int:
        """1 to 9, or 0. Some versions of Word translate the ids of styles, but not their names."""
        for id_, style in self._chain(style_id):
            if match := _HEADING.search(style.name) or _HEADING.search(id_):
                return int(match[1])
            if style.outline.isdecimal():
                return (int(style.outline) + 1) % (_BODY_LEVEL + 1)
        return 0

    def list_of(self, style_id: str) -> tuple[str, str, str]:
        """The number of the list that the style belongs to, its level if it says one, and the style that says so."""
        found = ((style.number, style.level, id_) for id_, style in self._chain(style_id) if style.number)
        return next(found, ("", "", ""))

    def _chain(self, style_id: str) -> list[tuple[str, _Style]]:
        """The style and those that it is based on, nearest first."""
        chain: dict[str, _Style] = {}
        while style_id and style_id not in chain:
            chain[style_id] = self._styles.get(style_id, _Style())
            style_id = chain[style_id].based_on
        return list(chain.items())


@dataclass
class _List:
    """Levels of a list. A list may take them from another one, and several may count together."""

    levels: dict[int, Level] = field(default_factory=dict)
    level_of_style: dict[str, int] = field(default_factory=dict)
    style_link: str = ""
    number_style: str = ""
    counters: Counters = field(default_factory=Counters)


class Numbering:
    def __init__(self, package: Package, parts: list[str], styles: Styles) -> None:
        self._styles = styles
        self._abstract: dict[str, _List] = {}
        self._numbers: dict[str, str] = {}
        self._overrides: dict[str, dict[int, Level | int]] = {}
        self._restarted: set[tuple[str, int]] = set()
        for part in parts:
            self._read(package, part)

    def mark(self, number: str, level: str, style: str) -> str:
        """What stands before the next paragraph of a list: `1.2.`, `-`, or nothing.

        `number` and `level` are the paragraph's own, or empty; then those of its style count.
        """
        if not number:
            number, level_of_style, style = self._styles.list_of(style)
            level = level or level_of_style
        if not number or number == "0":
            return ""
        found = self._list(number)
        if found is None:
            return "-"
        depth = int(level) if level.isdecimal() else found.level_of_style.get(style, 0)
        levels = dict(found.levels)
        for each, override in self._overrides.get(number, {}).items():
            is_start = isinstance(override, int)
            levels[each] = replace(levels.get(each, Level()), start=override) if is_start else override
            if is_start and each <= depth and (number, each) not in self._restarted:
                self._restarted.add((number, each))
                found.counters.restart(each)
        return found.counters.next(levels, depth) if depth in levels else "-"

    def _list(self, number: str) -> _List | None:
        found = self._abstract.get(self._numbers.get(number, ""))
        if found and not found.levels and found.number_style:
            linked = (each for each in self._abstract.values() if each.style_link == found.number_style)
            found = next(linked, found)
        return found

    def _read(self, package: Package, part: str) -> None:
        definition, number, depth, level, overridden = _List(), "", 0, Level(), -1
        for token in package.tokens(part):
            if isinstance(token, End):
                if token.name == "lvl":
                    if overridden < 0:
                        definition.levels[depth] = level
                    else:
                        self._overrides[number][depth] = level
                elif token.name == "lvlOverride":
                    overridden = -1
            elif isinstance(token, Start):
                value = token.get("val")
                match token.name:
                    case "abstractNum":
                        definition = self._abstract[token.get("abstractNumId")] = _List()
                    case "styleLink":
                        definition.style_link = value
                    case "numStyleLink":
                        definition.number_style = value
                    case "lvl":
                        depth, level = _number(token.get("ilvl"), 0), Level(text="", start=0)
                    case "start":
                        level = replace(level, start=_number(value, 0))
                    case "numFmt":
                        level = replace(level, style=value)
                    case "lvlText":
                        level = replace(level, text=value)
                    case "pStyle" if overridden < 0:
                        definition.level_of_style[value] = depth
                    case "num":
                        number = token.get("numId")
                        self._overrides[number] = {}
                    case "abstractNumId":
                        self._numbers[number] = value
                    case "lvlOverride":
                        overridden = _number(token.get("ilvl"), 0)
                    case "startOverride":
                        self._overrides[number][overridden] = _number(value, 1)


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else default
