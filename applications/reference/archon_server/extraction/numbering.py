"""The numbers of lists and headings, which documents do not contain but count."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ROMAN = [
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x")),
    *((9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
]
_HAN = "〇一二三四五六七八九"
_MAX_ROMAN, _MAX_LETTERS = 3999, 780


@dataclass(frozen=True)
class Level:
    """A level of a list: how it writes its number, by Word's names, and the text around it (`%1.%2.`)."""

    style: str = "decimal"
    text: str = "%1."
    start: int = 1

    @property
    def is_bullet(self) -> bool:
        return self.style == "bullet"


class Counters:
    """Counts the paragraphs of one list."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def restart(self, level: int) -> None:
        self._numbers = {each: number for each, number in self._numbers.items() if each < level}

    def next(self, levels: Mapping[int, Level] | Sequence[Level], level: int) -> str:
        """The mark before the next paragraph on this level, `-` for a bullet; empty if it has none."""
        definition = levels[level]
        number = self._numbers.get(level, definition.start - 1) + 1
        self.restart(level + 1)
        self._numbers[level] = number
        if definition.is_bullet:
            return "-"

        def shown(place: re.Match[str]) -> str:
            shown_level = int(place[1]) - 1
            try:
                shown = levels[shown_level]
            except LookupError:
                return ""
            return written(self._numbers.get(shown_level, shown.start), shown.style)

        return re.sub("%([1-9])", shown, definition.text).strip()


def written(number: int, style: str) -> str:
    """A number in a style, by Word's names; styles that are not known here write decimals."""
    if style == "none":
        return ""
    if style in ("lowerRoman", "upperRoman") and 0 < number <= _MAX_ROMAN:
        return _in_case(_roman(number), style)
    if style in ("lowerLetter", "upperLetter") and 0 < number <= _MAX_LETTERS:
        # After z comes aa, then bb.
        return _in_case(chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1), style)
    if "ounting" in style and 0 < number < 100:
        tens, ones = divmod(number, 10)
        ten = (_HAN[tens] if tens > 1 else "") + "十" if tens else ""
        return ten + (_HAN[ones] if ones else "")
    if style == "decimalEnclosedCircle" and 0 < number <= 20:
        return chr(ord("①") + number - 1)
    return f"{number:02}" if style == "decimalZero" else str(number)


def _in_case(text: str, style: str) -> str:
    return text.upper() if style.startswith("upper") else text


def _roman(number: int) -> str:
    digits = []
    for value, digit in _ROMAN:
        digits.append(digit * (number // value))
        number %= value
    return "".join(digits)
