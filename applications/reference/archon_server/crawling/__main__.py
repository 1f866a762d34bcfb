"""The crawling process: reads a job as JSON from its input, writes JSON lines: `fetched`, `page`, `failed`, `done`."""

import asyncio
import json
import os
import sys
from collections import deque
from ipaddress import ip_network
from typing import Any, TextIO
from urllib.parse import urldefrag, urlsplit

from crawl4ai import AsyncWebCrawler, CacheMode, CrawlerRunConfig
from playwright.async_api import Error

from ..extraction.html import converted
from ..settings import CrawlLimits
from . import rlimits
from .browser_fetcher import BrowserFetcher
from .http_fetcher import FetchFailed, HttpFetcher


def main() -> None:
    job = json.load(sys.stdin)
    browser = job["browser"]
    rlimits.limit_memory(with_browser=browser is not None)
    # Whatever the libraries print must not get between our lines.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    allowed = tuple(ip_network(text) for text in job["limits"].pop("allowed"))
    limits = CrawlLimits(**job["limits"], allowed=allowed)
    strategy = HttpFetcher(limits) if browser is None else BrowserFetcher(browser, limits)
    try:
        asyncio.run(crawl(job["url"], job["max_depth"], limits, strategy, output))
    except Error as error:
        _tell(output, "failed", url=job["url"], reason=f"{browser} does not run: {error}")
        _tell(output, "done")


async def crawl(
    start: str, max_depth: int, limits: CrawlLimits, strategy: HttpFetcher | BrowserFetcher, output: TextIO
) -> None:
    """Breadth first from `start`, on its host only. A page that fails is told and left out."""
    waiting = deque([(start, 0)])
    known = {start}
    host = None
    done = stored = 0
    reader = AsyncWebCrawler(crawler_strategy=strategy, verbose=False)
    await reader.start()
    while waiting and done < limits.max_pages and stored < limits.total_bytes:
        url, depth = waiting.popleft()
        done += 1
        _tell(output, "fetched", url=url, done=done, known=min(len(known), limits.max_pages))
        try:
            # Fetched here, as crawl4ai would hide the reason of a failure in a traceback.
            response = await strategy.crawl(url)
        except FetchFailed as error:
            _tell(output, "failed", url=url, reason=str(error))
            continue
        address = response.redirected_url or url
        host = host or urlsplit(address).netloc
        if urlsplit(address).netloc != host:
            _tell(output, "failed", url=url, reason=f"{url} leads away to {address}")
            continue
        title, text, links = "", response.html, []
        if "html" in response.response_headers["content-type"]:
            title, links = await _title_and_links(reader, address, response.html)
            # Not crawl4ai's Markdown, which glues fences to the line before and drops the language of code.
            text = converted(response.html)
        stored += len(text)
        _tell(output, "page", url=address, title=title, markdown=text)
        if depth < max_depth:
            for link in links:
                if link not in known and urlsplit(link).netloc == host and urlsplit(link).scheme in ("http", "https"):
                    known.add(link)
                    waiting.append((link, depth + 1))
    await reader.close()
    _tell(output, "done")


async def _title_and_links(reader: AsyncWebCrawler, url: str, page: str) -> tuple[str, list[str]]:
    """crawl4ai's reading of a page. What it calls internal depends on the registered domain and knows no ports, so that
    the caller has to choose.
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


def _tell(output: TextIO, kind: str, **what: Any) -> None:
    output.write(json.dumps({"kind": kind, **what}) + "\n")


if __name__ == "__main__":
    main()
