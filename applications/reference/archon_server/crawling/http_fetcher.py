"""crawl4ai's HTTP strategy, with a guard on every connection and a bound on every page."""

from typing import Any

import aiohttp
from crawl4ai.async_configs import CrawlerRunConfig
from crawl4ai.async_crawler_strategy import AsyncHTTPCrawlerStrategy
from crawl4ai.models import AsyncCrawlResponse

from ..settings import CrawlLimits
from .ssrf_guard import guarded_sockets

USER_AGENT = "archon-server"
MAX_REDIRECTS = 5


class FetchFailed(Exception):
    """The page could not be had; the message says why."""


class HttpFetcher(AsyncHTTPCrawlerStrategy):
    """Fetches pages for crawl4ai, from addresses that may be reached and within the limits."""

    def __init__(self, limits: CrawlLimits) -> None:
        super().__init__()
        self._limits = limits

    async def start(self) -> None:
        if not self._session:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=guarded_sockets(self._limits.allowed)),
                headers={"User-Agent": USER_AGENT, "Accept": "text/html,text/markdown,text/plain"},
                timeout=aiohttp.ClientTimeout(total=self._limits.page_seconds),
                # A proxy would connect in our place, where no guard stands.
                trust_env=False,
            )

    async def crawl(self, url: str, config: CrawlerRunConfig | None = None, **_: Any) -> AsyncCrawlResponse:
        """Only http and https: the strategy of crawl4ai would also open files."""
        if not url.startswith(("http://", "https://")):
            raise FetchFailed(f"{url} is no web address")
        await self.start()
        assert self._session
        try:
            async with self._session.get(url, max_redirects=MAX_REDIRECTS) as response:
                if response.status != 200:
                    raise FetchFailed(f"{url} answered {response.status}")
                kind = response.content_type
                if kind not in ("text/html", "application/xhtml+xml", "text/plain", "text/markdown"):
                    raise FetchFailed(f"{url} is {kind}; allowed are HTML, Markdown and plain text")
                content = await self._bounded(response)
                return AsyncCrawlResponse(
                    html=content.decode(response.get_encoding(), "replace").replace("\0", ""),
                    response_headers={"content-type": kind},
                    status_code=response.status,
                    redirected_url=str(response.url),
                )
        except TimeoutError as error:
            raise FetchFailed(f"{url} did not answer within {self._limits.page_seconds} s") from error
        except (aiohttp.ClientError, OSError, ValueError, LookupError) as error:
            raise FetchFailed(f"{url} cannot be fetched: {error or type(error).__name__}") from error

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        # Unpacked bytes count: a small answer may unpack to a large page.
        async for piece in response.content.iter_chunked(self.chunk_size):
            content += piece
            if len(content) > self._limits.page_bytes:
                raise FetchFailed(f"{response.url} is larger than the {self._limits.page_bytes} bytes allowed")
        # Only now `get_encoding` has something to look at.
        response._body = bytes(content)
        return bytes(content)
