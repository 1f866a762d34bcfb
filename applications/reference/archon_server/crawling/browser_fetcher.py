"""crawl4ai's browser strategy, for pages that scripts render.

The HTTP fetcher fetches the page itself, with its checks and limits. The browser runs the page's scripts, and reaches
the network only through the proxy of this crawl.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from crawl4ai import AsyncLogger, BrowserConfig, CacheMode, CrawlerRunConfig
from crawl4ai.async_crawler_strategy import AsyncPlaywrightCrawlerStrategy
from crawl4ai.browser_manager import BrowserManager
from crawl4ai.models import AsyncCrawlResponse
from playwright.async_api import BrowserContext, Error, Page, Request, Route

from ..settings import CrawlLimits
from . import landlock
from .http_fetcher import MAX_REDIRECTS, USER_AGENT, FetchFailed, HttpFetcher
from .nss_certs import trust_authorities
from .proxy import LOOPBACK, GuardedProxy

QUIET_SECONDS = 10
"""How long the scripts of a page may keep fetching before the page is taken as it is."""

_CLOSE_SECONDS = 5
_PROXY_NAME = "proxy.invalid"


class BrowserFetcher(AsyncPlaywrightCrawlerStrategy):
    """`browser` is the executable of a Chromium."""

    def __init__(self, browser: str, limits: CrawlLimits) -> None:
        super().__init__(BrowserConfig(verbose=False), logger=AsyncLogger(verbose=False))
        self._limits = limits
        self._http = HttpFetcher(limits)
        self.guesses = self._http.guesses
        self._proxy = GuardedProxy(limits)
        self.browser_manager = _GuardedBrowser(browser, self.browser_config, self.logger)

    async def start(self) -> None:
        if bundle := os.environ.get("SSL_CERT_FILE"):
            trust_authorities(Path(bundle), Path.home())
        self.browser_manager.proxy_port = await self._proxy.start()
        await super().start()

    async def close(self) -> None:
        await super().close()
        self._proxy.close()
        await self._http.close()

    async def crawl(self, url: str, config: CrawlerRunConfig | None = None, **_: Any) -> AsyncCrawlResponse:
        """Fetches and renders a page; scripts that navigate elsewhere count as a redirect. Raises FetchFailed."""
        address = url
        for _hop in range(MAX_REDIRECTS + 1):
            fetched = await self._http.crawl(address)
            if "html" not in fetched.response_headers["content-type"]:
                return fetched
            try:
                rendered, next_address = await self._rendered(fetched)
            finally:
                await self._close_page()
            if next_address is None:
                return rendered
            address = next_address
        raise FetchFailed(f"{url} is redirected by scripts more than {MAX_REDIRECTS} times")

    async def _rendered(self, fetched: AsyncCrawlResponse) -> tuple[AsyncCrawlResponse, str | None]:
        """The page after its scripts have run, and the address that they navigated to, if any."""
        url = fetched.redirected_url
        visit = _Visit(fetched)
        self.set_hook("on_page_context_created", visit.watch)
        self.set_hook("after_goto", visit.wait_until_quiet)
        self._proxy.begin_page()
        seconds = self._limits.page_seconds
        # Longer than ours, so that crawl4ai's own timeout with its own message is never reached.
        config = CrawlerRunConfig(cache_mode=CacheMode.BYPASS, verbose=False, page_timeout=2 * seconds * 1000)
        try:
            async with asyncio.timeout(seconds):
                rendered = await super().crawl(url, config)
        except TimeoutError as error:
            raise FetchFailed(f"the scripts of {url} did not finish within {seconds} s") from error
        except (Error, RuntimeError) as error:
            reason = str(error).removeprefix("Failed on navigating ACS-GOTO:").strip().partition("\n")[0]
            raise FetchFailed(f"{url} cannot be rendered: {reason}") from error
        # Scripts can produce half a surrogate pair, which UTF-8 cannot encode.
        text = rendered.html.replace("\0", "").encode("utf-8", "replace")
        if len(text) > self._limits.page_bytes:
            raise FetchFailed(f"{url} becomes larger than the {self._limits.page_bytes} bytes allowed")
        return fetched.model_copy(update={"html": text.decode()}), visit.navigated_to

    async def _close_page(self) -> None:
        """Closes the page and stops its scripts; restarts the browser if that takes too long."""
        manager = self.browser_manager
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                for context in manager.browser.contexts:
                    await context.close()
        except (TimeoutError, Error):
            with suppress(TimeoutError, Error):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await manager.browser.close()
        manager.contexts_by_config.clear()
        if not manager.browser.is_connected():
            await manager.launch()


class _GuardedBrowser(BrowserManager):
    """Starts a browser that cannot bypass the proxy, with a fresh context for every page."""

    proxy_port = 0

    def __init__(self, executable: str, config: BrowserConfig, logger: AsyncLogger) -> None:
        super().__init__(config, logger)
        self._executable = executable

    async def launch(self) -> None:
        """Starts the browser again."""
        self.browser = await self.playwright.chromium.launch(**self._build_browser_args())

    def _build_browser_args(self) -> dict[str, Any]:
        """Replaces crawl4ai's, which also disable the check of certificates."""
        args = [
            f"--proxy-server=http://{_PROXY_NAME}:{self.proxy_port}",
            # Otherwise the loopback would be reached directly.
            "--proxy-bypass-list=<-loopback>",
            # Names and numeric addresses do not resolve outside the proxy.
            f"--host-resolver-rules=MAP {_PROXY_NAME} {LOOPBACK}, MAP * ~NOTFOUND",
            "--dns-prefetch-disable",
            "--disable-quic",
            "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--disable-gpu",
        ]
        launcher = {"CONFINED_PROGRAM": self._executable, "CONFINED_PORT": str(self.proxy_port)}
        return {
            # The launcher confines itself, then becomes the browser.
            "executable_path": landlock.__file__,
            "env": {**os.environ, **launcher},
            "args": args,
            # Chromium's own sandbox needs user namespaces or a setuid program, and a hardened container has neither.
            "chromium_sandbox": False,
        }

    async def create_browser_context(self, crawlerRunConfig: CrawlerRunConfig | None = None) -> BrowserContext:
        return await self.browser.new_context(user_agent=USER_AGENT, service_workers="block", accept_downloads=False)

    async def setup_context(self, *_: Any, **__: Any) -> None:
        """Does nothing; crawl4ai's method adds headers and a cookie."""


class _Visit:
    """The requests of one page. `navigated_to` is the address that its scripts went to, if any."""

    def __init__(self, fetched: AsyncCrawlResponse) -> None:
        self.navigated_to: str | None = None
        self._navigated = asyncio.Event()
        self._fetched = fetched
        self._page: Page | None = None
        self._answered = False

    async def watch(self, page: Page, **_: Any) -> None:
        self._page = page
        await page.route("**/*", self._requested)

    async def wait_until_quiet(self, page: Page, **_: Any) -> None:
        """Returns when the page fetches nothing more, has navigated elsewhere, or QUIET_SECONDS have passed."""
        quiet = asyncio.ensure_future(page.wait_for_load_state("networkidle", timeout=QUIET_SECONDS * 1000))
        navigated = asyncio.ensure_future(self._navigated.wait())
        try:
            await asyncio.wait([quiet, navigated], return_when=asyncio.FIRST_COMPLETED)
        finally:
            quiet.cancel()
            navigated.cancel()
            await asyncio.gather(quiet, navigated, return_exceptions=True)

    async def _requested(self, route: Route, request: Request) -> None:
        # The page may have been closed in the meantime.
        with suppress(Error):
            if not self._is_navigation(request):
                await (route.abort() if request.resource_type in ("font", "image", "media") else route.continue_())
            elif not self._answered:
                self._answered = True
                html = self._fetched.html.encode()
                await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)
            else:
                if request.method == "GET" and request.url != self._fetched.redirected_url:
                    self.navigated_to = self.navigated_to or request.url
                    self._navigated.set()
                await route.abort()

    def _is_navigation(self, request: Request) -> bool:
        return request.is_navigation_request() and self._page is not None and request.frame == self._page.main_frame
