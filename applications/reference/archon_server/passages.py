"""Splits a text into passages that a reranker can score one by one.

Pure. It streams, so its memory does not grow with the text.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

PASSAGE_SIZE = 1000
"""The intended size of a passage, in characters."""

CODE_SIZE = 2000
"""The size in characters up to which a fenced code block stays whole, as half a function answers nothing."""

_HEADING = re.compile(r"(#{1,6})[ \t]+[^\s#]")
_TITLE_SIZE = 200
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s|\n")


@dataclass(frozen=True)
class Passage:
    """A passage of the text, and the headings above it, outermost first."""

    text: str
    headings: tuple[str, ...] = ()
    has_code: bool = False
    url: str = ""
    """The address of the page, if it was crawled."""


@dataclass(frozen=True)
class Code:
    """A fenced block: the text between the fences, and the language that the opening fence names."""

    text: str
    language: str


@dataclass(frozen=True)
class _Block:
    """A unit that is only split if it is too long: a heading (`level` > 0), a piece of a paragraph, or fenced code."""

    text: str
    level: int = 0
    is_code: bool = False


def split_into_passages(lines: Iterable[str], *, markdown: bool) -> Iterator[Passage]:
    """Yields the passages of a text in order; none is blank, none is longer than CODE_SIZE and a few characters.

    `lines` keep their newlines, as a text file yields them; a long line may come in parts. Without `markdown`, `#` and
    fences have no meaning. A passage never spans two headings that both have text.
    """
    headings: list[tuple[int, str]] = []
    pending: list[_Block] = []
    size = 0

    def passage() -> Passage:
        text = "\n\n".join(block.text for block in pending)
        return Passage(text, tuple(title for _, title in headings), any(block.is_code for block in pending))

    for block in _blocks(lines, markdown):
        if pending:
            below_heading = pending[-1].level > 0
            full = size + len(block.text) > PASSAGE_SIZE and (size > PASSAGE_SIZE or not below_heading)
            # A heading directly above a deeper one stays with the text that follows, so that its words are found too.
            if full or (block.level and not below_heading):
                yield passage()
                pending, size = [], 0
        if block.level:
            headings = [heading for heading in headings if heading[0] < block.level]
            headings.append((block.level, block.text.strip("# \t")[:_TITLE_SIZE].rstrip()))
        pending.append(block)
        size += len(block.text) + 2
    if pending:
        yield passage()


def code_blocks(text: str) -> list[Code]:
    """The fenced blocks of a passage, in order."""
    blocks: list[Code] = []
    fence, language, content = "", "", []
    for line in text.splitlines():
        if not fence:
            if opening := _FENCE.match(line):
                fence, content = opening.group(1), []
                language = line[opening.end() :].strip().split(" ")[0]
        elif _closes(line, fence):
            blocks.append(Code("\n".join(content), language))
            fence = ""
        else:
            content.append(line)
    return [*blocks, Code("\n".join(content), language)] if fence else blocks


def _blocks(lines: Iterable[str], markdown: bool) -> Iterator[_Block]:
    paragraph = ""
    source = iter(lines)
    for line in source:
        fence = _FENCE.match(line) if markdown else None
        heading = _HEADING.match(line) if markdown else None
        if fence or heading or not line.strip():
            yield from _pieces(paragraph)
            paragraph = ""
        if fence:
            yield from _code(line.rstrip(), fence.group(1), source)
        elif heading:
            # A heading that is longer than a passage is a paragraph to those who wrote it: what does not fit follows.
            title = line.strip()
            end = len(title)
            if end > PASSAGE_SIZE:
                blank = title.rfind(" ", len(heading.group()) + 1, PASSAGE_SIZE)
                end = blank if blank > 0 else PASSAGE_SIZE
            yield _Block(title[:end], level=len(heading.group(1)))
            paragraph = title[end:].lstrip()
            if paragraph and line.endswith("\n"):
                paragraph += "\n"
        elif line.strip():
            paragraph += line
            if len(paragraph) > 4 * PASSAGE_SIZE:
                paragraph = yield from _overflow(paragraph)
    yield from _pieces(paragraph)


def _pieces(paragraph: str) -> Iterator[_Block]:
    rest = yield from _overflow(paragraph)
    if rest.strip():
        yield _Block(rest.strip("\r\n"))


def _overflow(paragraph: str) -> Generator[_Block, None, str]:
    """Yields pieces of at most PASSAGE_SIZE until no more than that is left, and returns the rest.

    It splits after a sentence or line if there is one, else at a space, else anywhere.
    """
    while len(paragraph) > PASSAGE_SIZE:
        window = paragraph[:PASSAGE_SIZE]
        ends = [match.end() for match in _SENTENCE_END.finditer(window)]
        cut = ends[-1] if ends else window.rfind(" ") + 1 or PASSAGE_SIZE
        piece, paragraph = paragraph[:cut].strip("\r\n"), paragraph[cut:]
        if piece.strip():
            yield _Block(piece)
    return paragraph


def _code(opening: str, fence: str, source: Iterator[str]) -> Iterator[_Block]:
    """The fenced block that `opening` starts.

    If it is too long, it is split between lines, and each piece gets its own fences.
    """
    rest = ""
    if len(opening) > _TITLE_SIZE:
        # What follows the fence is no language, which every piece would repeat, but code.
        opening, rest = fence, opening.strip()[len(fence) :]
    lines, size = [opening], len(opening)
    for line in chain([rest] if rest else [], source):
        if _closes(line, fence):
            lines.append(line.strip())
            break
        for part in _cut(line.rstrip("\r\n"), CODE_SIZE // 2):
            if size + len(part) > CODE_SIZE:
                yield _Block("\n".join([*lines, fence]), is_code=True)
                lines, size = [opening], len(opening)
            lines.append(part)
            size += len(part) + 1
    yield _Block("\n".join(lines), is_code=True)


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return bare.startswith(fence) and not bare.strip(fence[0])


def _cut(line: str, width: int) -> list[str]:
    return [line[start : start + width] for start in range(0, len(line), width)] or [""]
