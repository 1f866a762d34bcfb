"""How far a crawl may go: pages, bytes, seconds, and which addresses."""

import errno
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class CrawlLimits:
    """`allowed` are networks that may be reached although they are private, local or reserved.

    `page_bytes` count unpacked; `browser_bytes` are what the scripts of a page may fetch, as transferred.
    """

    max_pages: int = 50
    page_bytes: int = 5 * 1024 * 1024
    browser_bytes: int = 20 * 1024 * 1024
    total_bytes: int = 100 * 1024 * 1024
    seconds: int = 900
    page_seconds: int = 30
    allowed: tuple[Network, ...] = ()


class AddressRefused(OSError):
    """A connection to this address is not made; the message says how to allow it."""


def check_address(address: str, allowed: tuple[Network, ...]) -> None:
    """Raises AddressRefused unless `address` (numeric) is public or in one of the allowed networks.

    What an IPv6 address carries of IPv4 (mapped, 6to4, Teredo, NAT64) counts too, as it may end up there.
    """
    ip = ip_address(address.partition("%")[0])
    if any(ip in network for network in allowed):
        return
    if not all(each.is_global and not each.is_multicast for each in (ip, *_embedded(ip))):
        problem = f"{ip} is private, local or reserved; ARCHON_CRAWL_ALLOW lists the networks allowed"
        raise AddressRefused(errno.EACCES, problem)


def _embedded(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(ip, IPv4Address):
        return []
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [each for each in found if each is not None]
