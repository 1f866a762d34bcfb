"""crawl4ai's HTTP strategy, with a check of every connection and a limit on every page."""

from typing import Any

import aiohttp
from crawl4ai.async_configs import CrawlerRunConfig
from crawl4ai.async_crawler_strategy import AsyncHTTPCrawlerStrategy
from crawl4ai.models import AsyncCrawlResponse

from ..extraction import encodings
from ..extraction.encodings import Encoding
from ..settings import CrawlLimits
from .ssrf_guard import guarded_sockets

USER_AGENT = "archon-server"
MAX_REDIRECTS = 5


class FetchFailed(Exception):
    """The page could not be fetched; the message says why."""


class HttpFetcher(AsyncHTTPCrawlerStrategy):
    """Fetches pages for crawl4ai, from allowed addresses only and within the limits."""

    def __init__(self, limits: CrawlLimits) -> None:
        super().__init__()
        self._limits = limits
        self.guesses: dict[str, Encoding] = {}
        """The encodings that had to be guessed, by the addresses of their pages."""

    async def start(self) -> None:
        if not self._session:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=guarded_sockets(self._limits.allowed)),
                headers={"User-Agent": USER_AGENT, "Accept": "text/html,text/markdown,text/plain"},
                timeout=aiohttp.ClientTimeout(total=self._limits.page_seconds),
                # A proxy would connect in our place, without our check of the address.
                trust_env=False,
            )

    async def crawl(self, url: str, config: CrawlerRunConfig | None = None, **_: Any) -> AsyncCrawlResponse:
        """Fetches http and https only; crawl4ai's strategy would also open files. Raises FetchFailed."""
        if not url.startswith(("http://", "https://")):
            raise FetchFailed(f"{url} is not a web address")
        await self.start()
        assert self._session
        try:
            async with self._session.get(url, max_redirects=MAX_REDIRECTS) as response:
                if response.status != 200:
                    raise FetchFailed(f"{url} answered {response.status}")
                kind = response.content_type
                if kind not in ("text/html", "application/xhtml+xml", "text/plain", "text/markdown"):
                    raise FetchFailed(f"{url} is {kind}; allowed are HTML, Markdown and plain text")
                content = await self._read_limited(response)
                encoding = encodings.of_bytes(content, declared=response.charset or "", html="html" in kind)
                if encoding.confidence is not None:
                    self.guesses[str(response.url)] = encoding
                return AsyncCrawlResponse(
                    html=encoding.decode(content).replace("\0", ""),
                    response_headers={"content-type": kind},
                    status_code=response.status,
                    redirected_url=str(response.url),
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
        async for piece in response.content.iter_chunked(self.chunk_size):
            content += piece
            if len(content) > self._limits.page_bytes:
                raise FetchFailed(f"{response.url} is larger than the {self._limits.page_bytes} bytes allowed")
        return bytes(content)
