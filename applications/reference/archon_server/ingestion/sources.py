"""Turns an uploaded file, or the pages of a site, into a document and its passages."""

import hashlib
import mimetypes
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import BinaryIO

from .. import extraction
from ..crawling import CrawlRequest, Site
from ..extraction import UnreadableFile
from ..extraction.encodings import Encoding
from ..passages import Passage, split_into_passages
from ..storage import Document

Advance = Callable[[int], None]
"""Gets how much of the work is done, in percent; may raise Cancelled."""


@dataclass(frozen=True)
class Upload:
    """A received file: `file` is at its start, and the code that takes the Upload closes it. `size` is in bytes."""

    file: BinaryIO
    filename: str
    size: int
    knowledge_type: str
    tags: tuple[str, ...]
    left_out: list[str] = field(default_factory=list)
    """What the file contains beside its text; known once all passages have been taken."""
    charset: str = ""
    """The encoding that the client named, if any."""
    guesses: list[Encoding] = field(default_factory=list)
    """The encoding of the file, if it had to be guessed; known as `left_out` is."""

    def document(self) -> Document:
        # Archon's form of a source id: the name with harmless characters, and eight digits to tell equal names apart.
        name = re.sub(r"\W", "_", self.filename)[:80]
        return Document(
            source_id=f"file_{name}_{uuid.uuid4().hex[:8]}",
            filename=self.filename,
            file_type=mimetypes.guess_type(self.filename)[0] or "text/plain",
            knowledge_type=self.knowledge_type,
            tags=self.tags,
            size=self.size,
            created_at=datetime.now(UTC).isoformat(),
        )

    def passages(self, advance: Advance) -> Iterator[Passage]:
        """The passages of the file. Raises UnreadableFile, which says what is allowed."""
        percent = 0

        def text() -> Iterator[str]:
            nonlocal percent
            for line in extraction.lines(self.file, self.filename, self.size, self.charset):
                percent = min(line.percent, 100)
                if line.left_out:
                    self.left_out.append(line.left_out)
                if line.guessed:
                    self.guesses.append(line.guessed)
                yield line.text

        empty = True
        for passage in split_into_passages(text(), markdown=extraction.is_markdown(self.file, self.filename)):
            yield passage
            empty = False
            advance(percent)
        if empty:
            raise UnreadableFile(f"{self.filename} contains no text; allowed are {extraction.ALLOWED}")


def source_id_of(url: str) -> str:
    """The id of a crawled site. The same address gives the same id, so that a refresh replaces the item."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def site_document(request: CrawlRequest, site: Site, before: Document | None) -> Document:
    """The document of a site. What people changed after an earlier crawl of the same address stays."""
    now = datetime.now(UTC).isoformat()
    document = before or Document(
        source_id=source_id_of(request.url),
        filename=request.url.partition("://")[2][:255],
        file_type="text/html",
        knowledge_type=request.knowledge_type,
        tags=request.tags,
        size=0,
        created_at=now,
        title=site.title,
        update_frequency=request.update_frequency,
        source_type="url",
        url=request.url,
    )
    return replace(document, size=site.size, updated_at=now, crawl={"max_depth": request.max_depth})


def site_passages(site: Site, advance: Advance) -> Iterator[Passage]:
    for number, page in enumerate(site.pages(), start=1):
        for passage in split_into_passages(page.markdown.splitlines(keepends=True), markdown=True):
            yield replace(passage, url=page.url)
        advance(100 * number // site.page_count)
