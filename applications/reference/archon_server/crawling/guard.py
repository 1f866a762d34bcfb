"""The sockets of a crawl: whoever connects, the HTTP strategy or the browser's proxy, takes one of these."""

import socket
from collections.abc import Callable
from typing import Any

from ..limits import Network, check_address

SocketFactory = Callable[[tuple[Any, ...]], socket.socket]
"""Makes the socket for one answer of `getaddrinfo`; the type that aiohttp and aiohappyeyeballs ask for."""


def guarded_sockets(allowed: tuple[Network, ...]) -> SocketFactory:
    """Sockets for public addresses and those in `allowed`; for others AddressRefused is raised.

    The check is made on the address that a socket is about to connect to, so it holds for names, numbers and redirects
    alike, and no answer of a name server can change it afterwards.
    """

    def make(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = address
        check_address(where[0], allowed)
        return socket.socket(family, kind, protocol)

    return make
