"""Extracts sections of plain prose from the HTML of a manual."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6", "dt"}
BLOCKS = {"p", "li", "dd"}
SKIPPED = {"head", "nav", "pre", "script", "style", "table", "footer", "svg", "button"}
# Sphinx and rustdoc add a pilcrow or a "[source]" link to each heading.
SKIPPED_CLASSES = {"headerlink", "viewcode-link", "linenos", "sphinxsidebar", "related", "toctree-wrapper", "sidebar"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Section:
    """A heading or glossary term with the paragraphs up to the next heading."""

    heading: str
    paragraphs: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sections = [Section("")]
        self.text: list[str] = []
        self.in_heading = False
        self.skipped_tags: list[str] = []

    def flush(self) -> None:
        text = re.sub(r"\s+", " ", "".join(self.text)).strip()
        self.text.clear()
        if not text:
            return
        if self.in_heading:
            self.sections.append(Section(re.sub(r"^[\d.]+ |[¶#§]$", "", text).strip()))
        else:
            self.sections[-1].paragraphs.append(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            if tag == "br":
                self.text.append(" ")
            return
        classes = set((dict(attrs).get("class") or "").split())
        if self.skipped_tags:
            if tag == self.skipped_tags[0]:
                self.skipped_tags.append(tag)
        elif tag in SKIPPED or classes & SKIPPED_CLASSES:
            self.skipped_tags.append(tag)
        elif tag in HEADINGS or tag in BLOCKS:
            # HTML 4 manuals omit end tags: a new block ends the previous one.
            self.flush()
            self.in_heading = tag in HEADINGS

    def handle_endtag(self, tag: str) -> None:
        if self.skipped_tags:
            if tag == self.skipped_tags[-1]:
                self.skipped_tags.pop()
        elif tag in HEADINGS or tag in BLOCKS:
            self.flush()
            self.in_heading = False

    def handle_data(self, data: str) -> None:
        if not self.skipped_tags:
            self.text.append(data)


def sections(html: str) -> list[Section]:
    """The document's sections in order. Sections without paragraphs are skipped."""
    parser = _Parser()
    parser.feed(html)
    parser.flush()
    return [section for section in parser.sections if section.paragraphs]


def is_prose(text: str, min_words: int = 15, max_words: int = 220) -> bool:
    """Whether a paragraph can be a passage: neither short nor long, mostly letters, and with a sentence's end."""
    words = text.split()
    letters = sum(c.isalpha() or c.isspace() for c in text)
    return min_words <= len(words) <= max_words and letters / len(text) > 0.88 and text.rstrip(")\"'")[-1:] in ".!?:"
