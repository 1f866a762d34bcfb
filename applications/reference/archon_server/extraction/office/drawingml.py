"""The text of shapes: of slides, diagrams and drawings on sheets."""

from collections import Counter
from collections.abc import Iterator

from .. import escape_markdown
from ..archive import Start, Token, outside
from ..numbering import Counters, Level
from ..small_characters import subscript, superscript
from . import opc
from .formulas import Formulas

_TITLES = {"title", "ctrTitle"}
_MARGIN = {"sldNum": "", "dt": "", "hdr": "page headers", "ftr": "page footers", "sldImg": ""}
"""Placeholders for what every page repeats, and what they count as if they are left out."""

_AUTOMATIC = {"alphaLc": "lowerLetter", "alphaUc": "upperLetter", "romanLc": "lowerRoman", "romanUc": "upperRoman"}


def markdown(
    tokens: Iterator[Token], left_out: Counter[str], *, only: str = "", skip_images: bool = False
) -> Iterator[str]:
    """The paragraphs of a part; a title is a heading. `only` names the placeholder whose text alone is read."""
    text: list[str] = []
    placeholder, is_title, level, mark = "", False, 0, ""
    lists: dict[int, Counters] = {}
    rows = written = 0
    in_text, baseline = False, ""
    alternatives: list[int] = []
    formulas = Formulas()

    def is_left_out(token: Start) -> bool:
        """What repeats, for older programs, a drawing that has been read."""
        return token.name == "Fallback" and bool(alternatives) and written > alternatives[-1]

    for token in outside(tokens, is_left_out):
        if isinstance(token, str):
            if in_text:
                text.append(_at(baseline, token))
                written += 1
            continue
        name = token.name
        vocabulary = opc.vocabulary(token.namespace)
        is_formula = vocabulary == "math"
        if isinstance(token, Start):
            if name == "AlternateContent":
                alternatives.append(written)
            elif name == "ph":
                placeholder = token.get("type") or "body"
                is_title = placeholder in _TITLES
            elif name in ("sp", "graphicFrame", "pic", "cxnSp"):
                placeholder, is_title, lists = "", False, {}
            elif name == "cNvPr" and not only and (description := " ".join(token.get("descr").split())):
                yield f"[Image: {description}]\n\n"
                written += 1
            elif name == "blip" and not skip_images:
                left_out["images"] += 1
                written += 1
            elif name == "tr":
                rows += 1
            elif name == "t" and vocabulary:
                in_text = True
            elif is_formula:
                formulas.start(token, text)
            elif name == "p" and vocabulary:
                text, level, mark = [], 0, ""
            elif name == "r" and vocabulary:
                baseline = ""
            elif name == "rPr":
                baseline = token.get("baseline")
            elif name == "pPr":
                level = int(token.get("lvl")) if token.get("lvl").isdecimal() else 0
            elif name == "buChar":
                mark = "-"
            elif name == "buAutoNum":
                mark = _number(token, lists.setdefault(level, Counters()))
                lists = {each: counters for each, counters in lists.items() if each <= level}
            elif name == "br" and vocabulary:
                text.append("\n")
            continue

        if name == "t" and vocabulary:
            in_text = False
        elif is_formula:
            formulas.end(token, text)
        elif name == "AlternateContent" and alternatives:
            alternatives.pop()
        elif name == "tr":
            rows -= 1
            yield "\n"
        elif name == "p" and vocabulary:
            lines = [line for line in "".join(text).splitlines() if line.strip()]
            text = []
            if not lines or (only and placeholder != only):
                continue
            if placeholder in _MARGIN and placeholder != only:
                if what := _MARGIN[placeholder]:
                    left_out[what] += 1
                continue
            written += 1
            if is_title:
                yield f"\n# {' '.join(lines)}\n\n"
            elif rows:
                yield f"{' '.join(lines)} | "
            else:
                body = "\n".join(map(escape_markdown, lines))
                yield f"{mark} {body}\n" if mark else f"{body}\n\n"


def _at(baseline: str, text: str) -> str:
    """The text of a run that stands above or below its line, by thousandths of a percent."""
    if baseline.strip("0%") == "":
        return text
    return subscript(text) if baseline.startswith("-") else superscript(text)


def _number(token: Start, counters: Counters) -> str:
    kind, start = token.get("type"), token.get("startAt")
    style = next((style for name, style in _AUTOMATIC.items() if kind.startswith(name)), "decimal")
    text = "(%1)" if kind.endswith("ParenBoth") else "%1)" if kind.endswith("ParenR") else "%1."
    return counters.next([Level(style, text, int(start) if start.isdecimal() and len(start) < 6 else 1)], 0)
