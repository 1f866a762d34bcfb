"""Fetches pages, with a check of every connection and a limit on every page."""

import aiohttp

from ..extraction import encodings
from ..settings import CrawlLimits
from .fetcher import MAX_REDIRECTS, FetchedPage, FetchFailed
from .ssrf_guard import guarded_sockets

USER_AGENT = "archon-server"
_CONTENT_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "text/markdown")
_PIECE = 64 * 1024


class HttpFetcher:
    """Fetches http and https, from allowed addresses only and within the limits."""

    def __init__(self, limits: CrawlLimits) -> None:
        self._limits = limits

    async def __aenter__(self) -> "HttpFetcher":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=guarded_sockets(self._limits.allowed)),
            headers={"User-Agent": USER_AGENT, "Accept": "text/html,text/markdown,text/plain"},
            timeout=aiohttp.ClientTimeout(total=self._limits.page_seconds),
            # A proxy would connect in our place, without our check of the address.
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def fetch(self, url: str) -> FetchedPage:
        """Raises FetchFailed."""
        if not url.startswith(("http://", "https://")):
            raise FetchFailed(f"{url} is not a web address")
        try:
            async with self._session.get(url, max_redirects=MAX_REDIRECTS) as response:
                if response.status != 200:
                    raise FetchFailed(f"{url} answered {response.status}")
                kind = response.content_type
                if kind not in _CONTENT_TYPES:
                    raise FetchFailed(f"{url} is {kind}; allowed are HTML, Markdown and plain text")
                content = await self._read_limited(response)
                encoding = encodings.of_bytes(content, declared=response.charset or "", html="html" in kind)
                return FetchedPage(
                    url=str(response.url),
                    content_type=kind,
                    text=encoding.decode(content).replace("\0", ""),
                    guess=encoding if encoding.confidence is not None else None,
                )
        except encodings.UnknownEncoding as error:
            raise FetchFailed(f"{url} cannot be read: {error}") from error
        except TimeoutError as error:
            raise FetchFailed(f"{url} did not answer within {self._limits.page_seconds} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchFailed(f"{url} cannot be fetched: {error or type(error).__name__}") from error

    async def _read_limited(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        # Decompressed bytes count: a small response may become a large page.
        async for piece in response.content.iter_chunked(_PIECE):
            content += piece
            if len(content) > self._limits.page_bytes:
                raise FetchFailed(f"{response.url} is larger than the {self._limits.page_bytes} bytes allowed")
        return bytes(content)
