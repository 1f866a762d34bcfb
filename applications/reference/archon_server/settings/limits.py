"""The limits of a crawl: pages, bytes, seconds, and addresses."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class CrawlLimits:
    """`allowed` are networks that a crawl may reach although they are private, local or reserved.

    `page_bytes` are counted after decompression. `browser_bytes` are what the scripts of a page may fetch, counted as
    transferred.
    """

    max_pages: int = 50
    page_bytes: int = 5 * 1024 * 1024
    browser_bytes: int = 20 * 1024 * 1024
    total_bytes: int = 100 * 1024 * 1024
    seconds: int = 900
    page_seconds: int = 30
    allowed: tuple[Network, ...] = ()
