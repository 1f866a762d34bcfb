"""What the crawl asks of a fetcher: the HTTP fetcher alone, or with a browser that renders what it fetched."""

from dataclasses import dataclass
from typing import Protocol, Self

from ..extraction.encodings import Encoding

MAX_REDIRECTS = 5


class FetchFailed(Exception):
    """The page could not be fetched; the message says why."""


class BrowserFailed(Exception):
    """The browser cannot run, so no page can be fetched; the message says why."""


@dataclass(frozen=True)
class FetchedPage:
    """`url` is the address after all redirects. `guess` is the encoding if it had to be guessed."""

    url: str
    content_type: str
    text: str
    guess: Encoding | None

    @property
    def is_html(self) -> bool:
        return "html" in self.content_type


class Fetcher(Protocol):
    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def fetch(self, url: str) -> FetchedPage:
        """Raises FetchFailed or BrowserFailed."""
        ...
