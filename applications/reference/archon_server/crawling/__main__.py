"""The crawling process. Reads a job as JSON; writes JSON lines of the kinds `progress`, `page`, `failed`, `done`."""

import asyncio
import json
import os
import sys
from collections import deque
from dataclasses import asdict
from ipaddress import ip_network
from typing import Any, TextIO
from urllib.parse import urldefrag, urlsplit

from crawl4ai import AsyncWebCrawler, CacheMode, CrawlerRunConfig
from playwright.async_api import Error

from ..extraction.html import convert
from ..settings import CrawlLimits
from . import rlimits
from .browser_fetcher import BrowserFetcher
from .http_fetcher import FetchFailed, HttpFetcher


def main() -> None:
    job = json.load(sys.stdin)
    browser = job["browser"]
    rlimits.limit_memory(with_browser=browser is not None)
    # What the libraries print must not mix with our lines.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    allowed = tuple(ip_network(text) for text in job["limits"].pop("allowed"))
    limits = CrawlLimits(**job["limits"], allowed=allowed)
    strategy = HttpFetcher(limits) if browser is None else BrowserFetcher(browser, limits)
    try:
        asyncio.run(crawl(job["url"], job["max_depth"], limits, strategy, output))
    except Error as error:
        _write(output, "failed", url=job["url"], reason=f"{browser} cannot run: {error}")
        _write(output, "done")


async def crawl(
    start: str, max_depth: int, limits: CrawlLimits, strategy: HttpFetcher | BrowserFetcher, output: TextIO
) -> None:
    """Crawls breadth first from `start`, on its host only. A page that fails is reported and left out."""
    waiting = deque([(start, 0)])
    known = {start}
    host = None
    done = stored_size = 0
    reader = AsyncWebCrawler(crawler_strategy=strategy, verbose=False)
    await reader.start()
    while waiting and done < limits.max_pages and stored_size < limits.total_bytes:
        url, depth = waiting.popleft()
        done += 1
        _write(output, "progress", url=url, done=done, known=min(len(known), limits.max_pages))
        try:
            # Not by crawl4ai, which hides the reason of a failure in a traceback.
            response = await strategy.crawl(url)
        except FetchFailed as error:
            _write(output, "failed", url=url, reason=str(error))
            continue
        address = response.redirected_url or url
        host = host or urlsplit(address).netloc
        if urlsplit(address).netloc != host:
            _write(output, "failed", url=url, reason=f"{url} redirects to another site, {address}")
            continue
        title, text, links = "", response.html, []
        guess = strategy.guesses.pop(address, None)
        if "html" in response.response_headers["content-type"]:
            title, links = await _title_and_links(reader, address, response.html)
            # Not crawl4ai's Markdown, which joins fences to the previous line and drops the language of code.
            text = convert(response.html)
        stored_size += len(text)
        _write(output, "page", url=address, title=title, markdown=text, guess=guess and asdict(guess))
        if depth < max_depth:
            for link in links:
                if link not in known and urlsplit(link).netloc == host and urlsplit(link).scheme in ("http", "https"):
                    known.add(link)
                    waiting.append((link, depth + 1))
    await reader.close()
    _write(output, "done")


async def _title_and_links(reader: AsyncWebCrawler, url: str, page: str) -> tuple[str, list[str]]:
    """The title and all links of a page, as crawl4ai reads them.

    Links to other hosts are included: crawl4ai tells internal links by the registered domain and ignores ports.
    """
    result = await reader.aprocess_html(
        url=url,
        html=page,
        extracted_content="",
        config=CrawlerRunConfig(cache_mode=CacheMode.BYPASS, verbose=False),
        screenshot_data="",
        pdf_data=b"",
        verbose=False,
    )
    links = [link["href"] for kind in ("internal", "external") for link in result.links.get(kind, [])]
    return (result.metadata or {}).get("title") or "", [urldefrag(link).url for link in links if link]


def _write(output: TextIO, kind: str, **fields: Any) -> None:
    output.write(json.dumps({"kind": kind, **fields}) + "\n")


if __name__ == "__main__":
    main()
