"""The crawling process. Reads a job as JSON; writes JSON lines of the kinds `progress`, `page`, `failed`, `done`."""

import asyncio
import json
import os
import sys
from collections import deque
from dataclasses import asdict
from ipaddress import ip_network
from typing import Any, TextIO
from urllib.parse import urlsplit

from ..extraction.html import convert
from ..settings import CrawlLimits
from . import rlimits
from .fetcher import BrowserFailed, Fetcher, FetchFailed
from .http_fetcher import HttpFetcher
from .links import title_and_links


def main() -> None:
    job = json.load(sys.stdin)
    browser = job["browser"]
    rlimits.limit_memory(with_browser=browser is not None)
    # What the libraries print must not mix with our lines.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    allowed = tuple(ip_network(text) for text in job["limits"].pop("allowed"))
    limits = CrawlLimits(**job["limits"], allowed=allowed)
    try:
        asyncio.run(crawl(job["url"], job["max_depth"], limits, _fetcher(browser, limits), output))
    except BrowserFailed as error:
        _write(output, "failed", url=job["url"], reason=str(error))
        _write(output, "done")


def _fetcher(browser: str | None, limits: CrawlLimits) -> Fetcher:
    if browser is None:
        return HttpFetcher(limits)
    # Only images with a browser have the packages that drive it.
    from .browser_fetcher import BrowserFetcher

    return BrowserFetcher(browser, limits)


async def crawl(start: str, max_depth: int, limits: CrawlLimits, fetcher: Fetcher, output: TextIO) -> None:
    """Crawls breadth first from `start`, on its host only. A page that fails is reported and left out."""
    waiting = deque([(start, 0)])
    known = {start}
    host = None
    done = stored_size = 0
    async with fetcher:
        while waiting and done < limits.max_pages and stored_size < limits.total_bytes:
            url, depth = waiting.popleft()
            done += 1
            _write(output, "progress", url=url, done=done, known=min(len(known), limits.max_pages))
            try:
                page = await fetcher.fetch(url)
            except FetchFailed as error:
                _write(output, "failed", url=url, reason=str(error))
                continue
            host = host or urlsplit(page.url).netloc
            if urlsplit(page.url).netloc != host:
                _write(output, "failed", url=url, reason=f"{url} redirects to another site, {page.url}")
                continue
            title, links = title_and_links(page.url, page.text) if page.is_html else ("", [])
            text = convert(page.text) if page.is_html else page.text
            stored_size += len(text)
            guess = page.guess and asdict(page.guess)
            _write(output, "page", url=page.url, title=title, markdown=text, guess=guess)
            if depth < max_depth:
                for link in links:
                    if link not in known and _is_on(host, link):
                        known.add(link)
                        waiting.append((link, depth + 1))
    _write(output, "done")


def _is_on(host: str, url: str) -> bool:
    parts = urlsplit(url)
    return parts.netloc == host and parts.scheme in ("http", "https")


def _write(output: TextIO, kind: str, **fields: Any) -> None:
    output.write(json.dumps({"kind": kind, **fields}) + "\n")


if __name__ == "__main__":
    main()
