"""Fetches pages that scripts render.

The HTTP fetcher fetches the page itself, with its checks and limits. The browser runs the page's scripts, and reaches
the network only through the proxy of this crawl.
"""

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Browser, Error, Page, Playwright, Request, Route, async_playwright

from ..settings import CrawlLimits
from . import landlock
from .fetcher import MAX_REDIRECTS, BrowserFailed, FetchedPage, FetchFailed
from .http_fetcher import USER_AGENT, HttpFetcher
from .nss_certs import trust_authorities
from .proxy import LOOPBACK, GuardedProxy

QUIET_SECONDS = 10
"""How long the scripts of a page may keep fetching before the page is taken as it is."""

_CLOSE_SECONDS = 5
_POLL_SECONDS = 0.05
_PROXY_NAME = "proxy.invalid"


class BrowserFetcher:
    """`executable` is that of a Chromium. `browser` is the one that runs."""

    browser: Browser
    _playwright: Playwright
    _proxy_port: int

    def __init__(self, executable: str, limits: CrawlLimits) -> None:
        self._executable = executable
        self._limits = limits
        self._http = HttpFetcher(limits)
        self._proxy = GuardedProxy(limits)
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> "BrowserFetcher":
        if bundle := os.environ.get("SSL_CERT_FILE"):
            trust_authorities(Path(bundle), Path.home())
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._http)
            self._proxy_port = await self._proxy.start()
            stack.callback(self._proxy.close)
            # Ends the browser, too.
            self._playwright = await stack.enter_async_context(async_playwright())
            await self._launch()
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def fetch(self, url: str) -> FetchedPage:
        """Fetches and renders a page; scripts that navigate elsewhere count as a redirect."""
        address = url
        for _hop in range(MAX_REDIRECTS + 1):
            fetched = await self._http.fetch(address)
            if not fetched.is_html:
                return fetched
            try:
                rendered, next_address = await self._rendered(fetched)
            finally:
                await self._close_page()
            if next_address is None:
                return rendered
            address = next_address
        raise FetchFailed(f"{url} is redirected by scripts more than {MAX_REDIRECTS} times")

    async def _rendered(self, fetched: FetchedPage) -> tuple[FetchedPage, str | None]:
        """The page after its scripts have run, and the address that they navigated to, if any."""
        url, seconds = fetched.url, self._limits.page_seconds
        visit = _Visit(fetched)
        self._proxy.begin_page()
        try:
            async with asyncio.timeout(seconds):
                context = await self.browser.new_context(
                    user_agent=USER_AGENT, service_workers="block", accept_downloads=False
                )
                page = await context.new_page()
                # Playwright's own timeout has another message, so it must not be reached.
                await visit.open(page, timeout=2 * seconds * 1000)
                content = await visit.content(page)
        except TimeoutError as error:
            raise FetchFailed(f"the scripts of {url} did not finish within {seconds} s") from error
        except Error as error:
            raise FetchFailed(f"{url} cannot be rendered: {error.message.partition(chr(10))[0]}") from error
        # Scripts can produce half a surrogate pair, which UTF-8 cannot encode.
        text = content.replace("\0", "").encode("utf-8", "replace")
        if len(text) > self._limits.page_bytes:
            raise FetchFailed(f"{url} becomes larger than the {self._limits.page_bytes} bytes allowed")
        return replace(fetched, text=text.decode()), visit.navigated_to

    async def _close_page(self) -> None:
        """Closes the page and stops its scripts; restarts the browser if that takes too long."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                for context in self.browser.contexts:
                    await context.close()
        except (TimeoutError, Error):
            with suppress(TimeoutError, Error):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self.browser.close()
        if not self.browser.is_connected():
            await self._launch()

    async def _launch(self) -> None:
        """Starts a browser that cannot bypass the proxy."""
        launcher = {"CONFINED_PROGRAM": self._executable, "CONFINED_PORT": str(self._proxy_port)}
        try:
            self.browser = await self._playwright.chromium.launch(
                # The launcher confines itself, then becomes the browser.
                executable_path=landlock.__file__,
                env={**os.environ, **launcher},
                # Chromium's own sandbox needs user namespaces or a setuid program; a hardened container has neither.
                chromium_sandbox=False,
                args=[
                    f"--proxy-server=http://{_PROXY_NAME}:{self._proxy_port}",
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
                ],
            )
        except Error as error:
            raise BrowserFailed(f"{self._executable} cannot run: {error}") from error


class _Visit:
    """The requests of one page. `navigated_to` is the address that its scripts went to, if any."""

    def __init__(self, fetched: FetchedPage) -> None:
        self.navigated_to: str | None = None
        self._navigated = asyncio.Event()
        self._fetched = fetched
        self._answered = False

    async def open(self, page: Page, timeout: float) -> None:
        """Opens the page with the content that was fetched. Returns when its scripts are done.

        They are done when the page fetches nothing more, has navigated elsewhere, or QUIET_SECONDS have passed.
        """
        await page.route("**/*", self._requested)
        await page.goto(self._fetched.url, wait_until="domcontentloaded", timeout=timeout)
        quiet = asyncio.ensure_future(page.wait_for_load_state("networkidle", timeout=QUIET_SECONDS * 1000))
        navigated = asyncio.ensure_future(self._navigated.wait())
        try:
            await asyncio.wait([quiet, navigated], return_when=asyncio.FIRST_COMPLETED)
        finally:
            quiet.cancel()
            navigated.cancel()
            await asyncio.gather(quiet, navigated, return_exceptions=True)

    async def content(self, page: Page) -> str:
        """The page as its scripts have made it; empty if they navigated elsewhere."""
        while self.navigated_to is None:
            try:
                return await page.content()
            except Error as error:
                # Every navigation is aborted, but until then Playwright does not read the page.
                if "is navigating" not in error.message:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
        return ""

    async def _requested(self, route: Route, request: Request) -> None:
        # The page may have been closed in the meantime.
        with suppress(Error):
            if not _is_navigation(request):
                await (route.abort() if request.resource_type in ("font", "image", "media") else route.continue_())
            elif not self._answered:
                self._answered = True
                html = self._fetched.text.encode()
                await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)
            else:
                if request.method == "GET" and request.url != self._fetched.url:
                    self.navigated_to = self.navigated_to or request.url
                    self._navigated.set()
                await route.abort()


def _is_navigation(request: Request) -> bool:
    """Whether the page itself goes to an address, and not a frame in it."""
    return request.is_navigation_request() and request.frame.parent_frame is None
