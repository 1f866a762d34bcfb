"""Turns the HTML of a manual into sections of plain prose; standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "dt"}
BLOCKS = {"p", "li", "dd"}
SKIPPED = {"head", "nav", "pre", "script", "style", "table", "footer", "svg", "button"}
# Sphinx and rustdoc put a pilcrow or a "[source]" link behind each heading.
SKIPPED_CLASSES = {"headerlink", "viewcode-link", "linenos", "sphinxsidebar", "related", "toctree-wrapper", "sidebar"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# End tags that HTML 4 manuals leave out: a new block of the same kind ends the one before.
IMPLIED_END = {"p", "li", "dd", "dt"}


@dataclass
class Section:
    """One heading (or glossary term) with the paragraphs below it, up to the next heading."""

    heading: str
    paragraphs: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sections = [Section("")]
        self.text: list[str] = []
        self.heading = False
        self.skipping: list[str] = []

    def flush(self) -> None:
        text = re.sub(r"\s+", " ", "".join(self.text)).strip()
        self.text.clear()
        if not text:
            return
        if self.heading:
            self.sections.append(Section(re.sub(r"^[\d.]+ |[¶#§]$", "", text).strip()))
        else:
            self.sections[-1].paragraphs.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            if tag == "br":
                self.text.append(" ")
            return
        classes = set((dict(attrs).get("class") or "").split())
        if self.skipping:
            if tag == self.skipping[0]:
                self.skipping.append(tag)
        elif tag in SKIPPED or classes & SKIPPED_CLASSES:
            self.skipping.append(tag)
        elif tag in HEADINGS or tag in BLOCKS:
            self.flush()
            self.heading = tag in HEADINGS

    def handle_endtag(self, tag: str) -> None:
        if self.skipping:
            if tag == self.skipping[-1]:
                self.skipping.pop()
        elif tag in HEADINGS or tag in BLOCKS:
            self.flush()
            self.heading = False

    def handle_data(self, data: str) -> None:
        if not self.skipping:
            self.text.append(data)


def sections(html: str) -> list[Section]:
    """The document's sections in order; a section without paragraphs is left out."""
    reader = _Reader()
    reader.feed(html)
    reader.flush()
    return [section for section in reader.sections if section.paragraphs]


def is_prose(text: str, shortest: int = 15, longest: int = 220) -> bool:
    """Whether a paragraph can be a passage: enough words (not too many), mostly letters, whole sentences."""
    words = text.split()
    letters = sum(c.isalpha() or c.isspace() for c in text)
    return shortest <= len(words) <= longest and letters / len(text) > 0.88 and text.rstrip(")\"'")[-1:] in ".!?:"
