"""The crawling process: reads a job as JSON from its input, writes JSON lines: `fetched`, `page`, `failed`, `done`."""

import asyncio
import json
import os
import resource
import sys
from collections import deque
from ipaddress import ip_network
from typing import Any, TextIO
from urllib.parse import urldefrag, urlsplit

from ..limits import CrawlLimits

MEMORY_BYTES = 3 * 1024 * 1024 * 1024


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    job = json.load(sys.stdin)
    # Whatever the libraries print must not get between our lines.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    allowed = tuple(ip_network(text) for text in job["limits"].pop("allowed"))
    limits = CrawlLimits(**job["limits"], allowed=allowed)
    asyncio.run(crawl(job["url"], job["max_depth"], limits, output))


async def crawl(start: str, max_depth: int, limits: CrawlLimits, output: TextIO) -> None:
    """Breadth first from `start`, on its host only. A page that fails is told and left out."""
    # Costs a second and 130 MB, so that this process has it, not the server.
    from crawl4ai import AsyncWebCrawler, CacheMode, CrawlerRunConfig

    from .fetching import FetchFailed, GuardedStrategy

    config = CrawlerRunConfig(cache_mode=CacheMode.BYPASS, verbose=False)
    waiting = deque([(start, 0)])
    known = {start}
    host = None
    done = stored = 0
    strategy = GuardedStrategy(limits)
    converter = AsyncWebCrawler(crawler_strategy=strategy, verbose=False)
    await converter.start()
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
        title, markdown, links = None, response.html, []
        if "html" in response.response_headers["content-type"]:
            result = await converter.aprocess_html(
                url=address,
                html=response.html,
                extracted_content="",
                config=config,
                screenshot_data="",
                pdf_data=b"",
                verbose=False,
            )
            title, markdown, links = (
                (result.metadata or {}).get("title"),
                result.markdown.raw_markdown,
                _links(result.links),
            )
        stored += len(markdown)
        _tell(output, "page", url=address, title=title or "", markdown=markdown)
        if depth < max_depth:
            for link in links:
                if link not in known and urlsplit(link).netloc == host and urlsplit(link).scheme in ("http", "https"):
                    known.add(link)
                    waiting.append((link, depth + 1))
    await converter.close()
    _tell(output, "done")


def _links(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [urldefrag(link["href"]).url for link in found.get("internal", []) if link.get("href")]


def _tell(output: TextIO, kind: str, **what: Any) -> None:
    output.write(json.dumps({"kind": kind, **what}) + "\n")


if __name__ == "__main__":
    main()
