"""Formulas (Office's math markup) as a line of text: their letters, and what their structure means."""

import re
from dataclasses import dataclass

from ..archive import End, Start

_BEFORE = {"den": "/", "sup": "^", "sub": "_", "lim": "_"}
_ATOM = re.compile(r"[\w.,\u0300-\u036f]*")


@dataclass
class _Structure:
    name: str
    start: int
    """Where it starts in the text."""
    before: str
    after: str = ""
    between: str = ""
    parts: int = 0


class Formulas:
    """Writes between the letters that a caller adds to `text`."""

    def __init__(self) -> None:
        self._open: list[_Structure] = []

    def start(self, token: Start, text: list[str]) -> None:
        name, value = token.name, token.get("val")
        inner = self._open[-1] if self._open else None
        if name in _BEFORE or name in ("num", "deg"):
            text.append(_BEFORE.get(name, ""))
            self._open.append(_Structure(name, len(text), ""))
        elif name == "d":
            self._open.append(_Structure(name, len(text), "(", ")", "|"))
        elif name == "nary":
            self._open.append(_Structure(name, len(text), "∫"))
        elif name in ("rad", "mr"):
            self._open.append(_Structure(name, len(text), ""))
        elif inner and name in ("begChr", "chr"):
            inner.before = value
        elif inner and name == "endChr":
            inner.after = value
        elif inner and name == "sepChr":
            inner.between = value
        elif name == "e":
            if inner and inner.name == "d":
                text.append(inner.between if inner.parts else inner.before)
                inner.parts += 1
            elif inner and inner.name == "rad":
                text.append("√")
            elif inner and inner.name == "mr":
                text.append(" " if inner.parts else "")
                inner.parts += 1
            self._open.append(_Structure("e", len(text), ""))

    def end(self, token: End, text: list[str]) -> None:
        if token.name == "naryPr" and self._open and self._open[-1].name == "nary":
            text.append(self._open[-1].before)
        elif self._open and token.name == self._open[-1].name:
            ended = self._open.pop()
            outer = self._open[-1].name if self._open else ""
            if ended.name == "d":
                text.append(ended.after)
            elif ended.name == "mr":
                text.append("; ")
            elif ended.name in _BEFORE or ended.name == "num" or (ended.name, outer) == ("e", "rad"):
                close(ended.start, text)


def close(start: int, text: list[str]) -> None:
    """Puts what has been written since `start` into parentheses, unless it is one number or word."""
    content = "".join(text[start:])
    if not content.strip():
        # Without the sign before it.
        del text[max(start - 1, 0) :]
    elif not _ATOM.fullmatch(content) and not (content.startswith("(") and content.endswith(")")):
        text[start:] = [f"({content})"]
