"""Keeps a crawl out of private networks. The HTTP fetcher and the browser's proxy create their sockets here."""

import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from ..settings import Network

_NAT64 = ip_network("64:ff9b::/96")

SocketFactory = Callable[[tuple[Any, ...]], socket.socket]
"""Makes the socket for one answer of `getaddrinfo`; the type that aiohttp and aiohappyeyeballs ask for."""


class AddressRefused(OSError):
    """This address must not be connected to; the message says how to allow it."""


def check_address(address: str, allowed: tuple[Network, ...]) -> None:
    """Raises AddressRefused unless `address` (numeric) is public or in one of the allowed networks.

    An IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64) is checked too: the connection may end up there.
    """
    ip = ip_address(address.partition("%")[0])
    if any(ip in network for network in allowed):
        return
    if not all(each.is_global and not each.is_multicast for each in (ip, *_embedded(ip))):
        problem = f"{ip} is private, local or reserved; ARCHON_CRAWL_ALLOW lists the networks allowed"
        raise AddressRefused(errno.EACCES, problem)


def guarded_sockets(allowed: tuple[Network, ...]) -> SocketFactory:
    """Makes sockets for public addresses and those in `allowed`, and raises AddressRefused for others.

    It checks the address that a socket is about to connect to. So it covers names, numeric addresses and redirects, and
    no answer of a name server can change the address after the check.
    """

    def make(address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, socket_address = address_info
        check_address(socket_address[0], allowed)
        return socket.socket(family, kind, protocol)

    return make


def _embedded(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(ip, IPv4Address):
        return []
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [each for each in found if each is not None]
