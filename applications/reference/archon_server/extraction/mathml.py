"""Formulas of pages and books (MathML) as a line of text: their letters, and what the places of their elements mean."""

from dataclasses import dataclass

from .office.formulas import close

_BETWEEN = {
    "mfrac": ("", "/"),
    "msup": ("", "^"),
    "msub": ("", "_"),
    "msubsup": ("", "_", "^"),
    "munder": ("", "_"),
    "mover": ("", "^"),
    "munderover": ("", "_", "^"),
}
"""What stands before each child."""

_CELLS = {"mtr", "mlabeledtr"}


@dataclass
class _Element:
    name: str
    start: int
    """Where it starts in the text."""
    children: int = 0


class Formula:
    """Writes between the letters that a caller adds to `text`."""

    def __init__(self) -> None:
        self._open: list[_Element] = []

    def start(self, name: str, text: list[str]) -> None:
        if self._open:
            outer = self._open[-1]
            if marks := _BETWEEN.get(outer.name, ())[outer.children : outer.children + 1]:
                text.append(marks[0])
            elif outer.children and outer.name in _CELLS:
                text.append(" ")
            outer.children += 1
        if name == "msqrt":
            text.append("√")
        self._open.append(_Element(name, len(text)))

    def end(self, name: str, text: list[str]) -> None:
        if name not in (each.name for each in self._open):
            return
        while (ended := self._open.pop()).name != name:
            pass
        outer = self._open[-1].name if self._open else ""
        if name == "msqrt" or outer in _BETWEEN:
            close(ended.start, text)
        elif name in _CELLS:
            text.append("; ")
