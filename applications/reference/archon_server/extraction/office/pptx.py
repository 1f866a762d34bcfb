"""The text of a presentation: a heading for each slide's title, and the speaker's notes below its slide."""

from collections import Counter
from collections.abc import Iterator

from .. import LeftOut
from ..archive import Start
from . import drawingml, opc
from .opc import Package


def markdown(package: Package) -> Iterator[str | int | LeftOut]:
    related = {each.id: each for each in package.relationships(package.main_part)}
    ids = (
        token.get("r:id")
        for token in package.tokens(package.main_part)
        if isinstance(token, Start) and token.name == "sldId"
    )
    slides = list(dict.fromkeys(related[id_].part for id_ in ids if id_ in related))
    left_out: Counter[str] = Counter(opc.LEFT_OUT[each.kind] for each in related.values() if each.kind in opc.LEFT_OUT)
    # A part that several slides point to is read once.
    seen: set[str] = set()
    for number, slide in enumerate(slides, start=1):
        yield from drawingml.markdown(package.tokens(slide), left_out)
        # The last row of a table may have left its line open.
        yield "\n"
        for kind, part, _ in package.relationships(slide):
            if part in seen:
                continue
            seen.add(part)
            if kind == "notesSlide":
                notes = "".join(drawingml.markdown(package.tokens(part), left_out, only="body"))
                yield f"Notes: {notes}" if notes else ""
            elif kind == "diagramData":
                yield from drawingml.markdown(package.tokens(part), left_out)
            elif kind in opc.LEFT_OUT:
                left_out[opc.LEFT_OUT[kind]] += 1
        yield "\n"
        yield 100 * number // len(slides)
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(left_out.items()))
