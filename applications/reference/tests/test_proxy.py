"""The proxy that a browser crawls through, as its clients see it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from archon_server.crawling.proxy import GuardedProxy
from archon_server.settings import CrawlLimits
from tests.processes import free_port
from tests.sites import Site

ONE = CrawlLimits(allowed=(ip_network("127.0.0.1"),))
"""The only address of the loopback that is allowed."""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    site.page("/", "otters")
    site.page("/large", "x" * 300_000)
    yield site
    site.close()


def through(proxy: GuardedProxy, use: Callable[[httpx.AsyncClient, int], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        port = await proxy.start()
        async with httpx.AsyncClient(proxy=f"http://127.0.0.1:{port}", timeout=20) as client:
            used = await use(client, port)
        proxy.close()
        return used

    return asyncio.run(run())


def get(url: str, limits: CrawlLimits = ONE) -> httpx.Response:
    return through(GuardedProxy(limits), lambda client, _: client.get(url))


def raw(request: bytes, limits: CrawlLimits = ONE) -> bytes:
    """Sends raw bytes and returns all that the proxy answers."""

    async def send(_: httpx.AsyncClient, port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer

    return through(GuardedProxy(limits), send)


def test_an_allowed_address_is_fetched(site: Site) -> None:
    reply = get(f"{site.url}/")
    assert (reply.status_code, reply.text) == (200, "otters")
    assert get(f"{site.url}/missing?a=b#c").status_code == 404
    assert site.requests == ["/", "/missing?a=b"]


def test_a_body_is_forwarded_and_hop_by_hop_headers_are_not(site: Site) -> None:
    reply = through(GuardedProxy(ONE), lambda client, _: client.post(f"{site.url}/", content=b"kelp" * 50_000))
    assert reply.status_code == 200
    [(method, headers, body)] = site.received
    assert (method, body) == ("POST", b"kelp" * 50_000)
    assert headers["connection"] == "close"
    assert headers["host"] == site.url.removeprefix("http://")
    assert not [name for name in headers if name.startswith("proxy-")]


def test_a_tunnel_carries_both_ways(site: Site) -> None:
    where = site.url.removeprefix("http://")

    async def talk(_: httpx.AsyncClient, port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    assert through(GuardedProxy(ONE), talk).endswith(b"otters")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.2", "2130706434", "0x7f000002", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *(
            "169.254.169.254",
            "[::1]",
            "[::ffff:127.0.0.2]",
            "[::ffff:10.0.0.1]",
            "[fe80::1]",
            "[fd00::1]",
            "[64:ff9b::a00:1]",
        ),
    ],
)
def test_a_forbidden_address_is_refused(host: str) -> None:
    for request in (f"GET http://{host}:80/ HTTP/1.1", f"CONNECT {host}:443 HTTP/1.1"):
        head, _, body = raw(f"{request}\r\n\r\n".encode()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403 "), request
        assert b"is private, local or reserved; ARCHON_CRAWL_ALLOW lists the networks allowed" in body


def test_a_name_is_looked_up_for_every_connection(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that changes its answer cannot bypass the check."""
    addresses = iter(["127.0.0.1", "127.0.0.2"])
    other = Site("127.0.0.2", site.server.server_port)

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        address = next(addresses) if host == "otters.example" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    url = f"http://otters.example:{site.server.server_port}/"

    async def twice(client: httpx.AsyncClient, _: int) -> list[int]:
        return [(await client.get(url)).status_code for _ in range(2)]

    try:
        assert through(GuardedProxy(ONE), twice) == [200, 403]
        assert (site.requests, other.requests) == (["/"], [])
    finally:
        other.close()


def test_a_redirect_to_a_forbidden_address_is_refused_when_the_client_follows_it(site: Site) -> None:
    site.redirects["/away"] = f"http://127.0.0.2:{site.server.server_port}/"
    reply = through(GuardedProxy(ONE), lambda client, _: client.get(f"{site.url}/away", follow_redirects=True))
    assert (reply.status_code, str(reply.url)) == (403, site.redirects["/away"])


def test_an_unreachable_address_is_reported() -> None:
    assert get(f"http://127.0.0.1:{free_port()}/").status_code == 502


@pytest.mark.parametrize(
    "request_line",
    [
        *(
            "GET / HTTP/1.1",
            "GET ftp://127.0.0.1/ HTTP/1.1",
            "GET file:///etc/passwd HTTP/1.1",
            "CONNECT 127.0.0.1 HTTP/1.1",
        ),
        *("CONNECT 127.0.0.1:99999 HTTP/1.1", "GET http://[127.0.0.1/ HTTP/1.1", "nonsense"),
        *(
            "POST http://127.0.0.1/ HTTP/1.1\r\nTransfer-Encoding: chunked",
            "POST http://127.0.0.1/ HTTP/1.1\r\nContent-Length: x",
        ),
        "GET http://127.0.0.1/ HTTP/1.1\r\nX: " + "x" * 70_000,
    ],
)
def test_a_request_that_no_browser_sends_is_refused(request_line: str) -> None:
    assert raw(f"{request_line}\r\n\r\n".encode()).startswith(b"HTTP/1.1 400 ")


def test_the_byte_limit_cuts_a_page_and_starts_again_for_the_next(site: Site) -> None:
    proxy = GuardedProxy(CrawlLimits(allowed=ONE.allowed, browser_bytes=100_000))

    async def pages(client: httpx.AsyncClient, _: int) -> str:
        with pytest.raises(httpx.TransportError):
            await client.get(f"{site.url}/large")
        with pytest.raises(httpx.TransportError):
            await client.get(f"{site.url}/")
        proxy.begin_page()
        return (await client.get(f"{site.url}/")).text

    assert through(proxy, pages) == "otters"
