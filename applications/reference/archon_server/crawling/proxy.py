"""The forward proxy of a crawl's browser. It checks addresses as the HTTP fetcher does."""

import asyncio
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from socket import SO_LINGER, SOCK_STREAM, SOL_SOCKET
from typing import Any
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from ..settings import CrawlLimits
from .ssrf_guard import AddressRefused, guarded_sockets

LOOPBACK = "127.0.0.1"
_PIECE = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing the socket sends a reset."""

_HOP_BY_HOP = ("connection", "keep-alive", "proxy-authorization", "proxy-connection", "upgrade")
"""Headers that are meant for the proxy and not for the site."""


class GuardedProxy:
    """Serves HTTP requests with absolute addresses, and CONNECT for everything else, on a loopback port.

    It looks names up itself for every connection, whatever the browser has resolved them to.
    """

    def __init__(self, limits: CrawlLimits) -> None:
        self._limits = limits
        self._socket_factory = guarded_sockets(limits.allowed)
        self._server: asyncio.Server | None = None
        self._bytes_left = 0

    async def start(self) -> int:
        """Returns the port."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, limit=_PIECE)
        self.begin_page()
        return self._server.sockets[0].getsockname()[1]

    def begin_page(self) -> None:
        """Allows `browser_bytes` for the next page."""
        self._bytes_left = self._limits.browser_bytes

    def close(self) -> None:
        """Accepts no more connections. The open ones end when their clients close them."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            # One of the two sides closed the connection.
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = _parse(await reader.readuntil(b"\r\n\r\n"))
            async with asyncio.timeout(self._limits.page_seconds):
                from_site, to_site = await self._connect(request.host, request.port)
        except (ValueError, asyncio.LimitOverrunError) as error:
            return _refuse(writer, "400 Bad Request", error)
        except AddressRefused as error:
            return _refuse(writer, "403 Forbidden", error)
        except (OSError, TimeoutError) as error:
            return _refuse(writer, "502 Bad Gateway", error)
        try:
            if request.head:
                to_site.write(request.head)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _until_first_ends(self._downwards(from_site, writer), _upwards(reader, to_site, request.length))
        finally:
            to_site.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
        return await asyncio.open_connection(sock=await start_connection(found, socket_factory=self._socket_factory))

    async def _downwards(self, site: asyncio.StreamReader, browser: asyncio.StreamWriter) -> None:
        while piece := await site.read(_PIECE):
            self._bytes_left -= len(piece)
            if self._bytes_left < 0:
                # Reset and not closed: half a response must not look complete.
                browser.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
                browser.transport.abort()
                return
            browser.write(piece)
            await browser.drain()


@dataclass(frozen=True)
class _Request:
    """`head` is what to forward, empty for CONNECT. `length` is that of the body, None for all bytes that follow."""

    host: str
    port: int
    head: bytes
    length: int | None


def _parse(head: bytes) -> _Request:
    """Raises ValueError for a request that no browser sends to a proxy."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, version = first.split(" ")
    url = urlsplit(f"connect://{target}" if method == "CONNECT" else target)
    if not url.hostname:
        raise ValueError(f"{target!r} names no host")
    if method == "CONNECT":
        if url.port is None:
            raise ValueError(f"{target!r} names no port")
        return _Request(url.hostname, url.port, b"", None)
    if url.scheme != "http":
        raise ValueError(f"{target!r} is not an http address")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise ValueError("expected a body of a stated length")
    path = target.removeprefix(f"{target[:5]}//{url.netloc}")
    # One request per connection, because the next one may be for another host.
    forwarded = [f"{name}: {value}" for name, value in headers.items() if name not in _HOP_BY_HOP]
    start = f"{method} {path if path.startswith('/') else f'/{path}'} {version}"
    text = "\r\n".join([start, *forwarded, "connection: close", "", ""])
    return _Request(url.hostname, url.port or 80, text.encode("latin-1"), int(headers.get("content-length", 0)))


async def _upwards(browser: asyncio.StreamReader, site: asyncio.StreamWriter, length: int | None) -> None:
    left = length
    while (left is None or left > 0) and (piece := await browser.read(_PIECE if left is None else min(_PIECE, left))):
        site.write(piece)
        await site.drain()
        left = None if left is None else left - len(piece)
    if left == 0:
        # The browser sends nothing more, so this returns when it closes the connection.
        await browser.read(1)


async def _until_first_ends(*directions: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _refuse(writer: asyncio.StreamWriter, status: str, reason: Exception) -> None:
    body = f"{reason}\n".encode()
    headers = ["Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body)}", "Connection: close"]
    writer.write("\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body)
