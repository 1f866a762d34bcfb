"""What came in, as a document and its passages: an uploaded file, or the pages of a site."""

import hashlib
import mimetypes
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO

from .. import extraction
from ..chunking import Chunk, chunk_text
from ..crawling import CrawlRequest, Site
from ..extraction import UnreadableFile
from ..storage import Document

Advance = Callable[[int], None]
"""Gets the share of the work that is done, in percent; may raise Cancelled."""


@dataclass(frozen=True)
class Upload:
    """A received file: `file` is at its start and belongs to whoever holds the Upload; `size` is in bytes."""

    file: BinaryIO
    filename: str
    size: int
    knowledge_type: str
    tags: tuple[str, ...]

    def document(self) -> Document:
        # Archon's form of a source id: the name made harmless, and eight digits that tell two of the same name apart.
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

    def chunks(self, advance: Advance) -> Iterator[Chunk]:
        """Raises UnreadableFile, which says what is allowed."""
        percent = 0

        def text() -> Iterator[str]:
            nonlocal percent
            for line in extraction.lines(self.file, self.filename, self.size):
                percent = min(line.percent, 100)
                yield line.text

        empty = True
        for chunk in chunk_text(text(), markdown=extraction.is_markdown(self.filename)):
            yield chunk
            empty = False
            advance(percent)
        if empty:
            raise UnreadableFile(f"{self.filename} has no text in it; allowed is {extraction.ALLOWED}")


def source_id_of(url: str) -> str:
    """Of a crawled site: the same address is the same item, so that a refresh replaces it."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def site_document(request: CrawlRequest, site: Site, before: Document | None) -> Document:
    """What people changed of an earlier crawl of the same address stays."""
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


def site_chunks(site: Site, advance: Advance) -> Iterator[Chunk]:
    for number, page in enumerate(site.pages(), start=1):
        for chunk in chunk_text(page.markdown.splitlines(keepends=True), markdown=True):
            yield replace(chunk, url=page.url)
        advance(100 * number // site.page_count)
