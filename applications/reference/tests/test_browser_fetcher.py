"""Crawls of sites on the loopback whose pages scripts render, with the real browser of the image."""

import asyncio
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psutil
import pytest

from archon_server.settings import CrawlLimits
from tests.conftest import eventually
from tests.sites import Site, crawl

# Images without one only collect these tests.
BROWSER = Path(os.environ.get("ARCHON_BROWSER", "/no/browser/in/this/image"))
WAYS_OUT = Path(__file__).with_name("ways_out.html")
"""A page that tries everything to reach URL, HOST and PORT, and sends the outcomes to `/report`."""

ONE = (ip_network("127.0.0.1"),)
"""The only address of the loopback that is allowed."""


class Forbidden:
    """Listens on a forbidden address. `received` are the first bytes of its connections and datagrams."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self._tcp = socket.create_server(("127.0.0.2", 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.2", self.port))
        self.url = f"http://127.0.0.2:{self.port}"
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._connections, self._datagrams)]
        for thread in self._threads:
            thread.start()

    def _connections(self) -> None:
        while not (data := self._accepted()).startswith(b"end"):
            self.received.append(data)

    def _accepted(self) -> bytes:
        connection, _ = self._tcp.accept()
        # A connection that the browser opens in advance sends nothing.
        connection.settimeout(2)
        with connection, suppress(TimeoutError):
            return connection.recv(100)
        return b""

    def _datagrams(self) -> None:
        while not (data := self._udp.recv(100)).startswith(b"end"):
            self.received.append(data)

    def ended(self) -> list[bytes]:
        """All that was received."""
        with socket.create_connection(("127.0.0.2", self.port)) as last:
            last.sendall(b"end")
        self._udp.sendto(b"end", ("127.0.0.2", self.port))
        for thread in self._threads:
            thread.join()
        self._tcp.close()
        self._udp.close()
        return self.received


APP = """
const text = document.getElementById("text");
fetch("/text").then((reply) => reply.text()).then((words) => {
  text.innerHTML = `<h1>Otters</h1><p>${words} \\ud800</p><a href="/kelp">Kelp</a>`;
});
"""


def otters(tls: ssl.SSLContext | None = None) -> Site:
    site = Site(tls=tls)
    site.page("/", "<title>Otters</title><div id=text>Loading</div><script src=/app.js></script>")
    site.page("/app.js", APP, "text/javascript")
    site.page("/text", "They sleep on their backs.", "text/plain")
    site.page("/kelp", "# Kelp\n\nIt holds them.", "text/markdown")
    return site


@pytest.fixture
def site() -> Iterator[Site]:
    site = otters()
    yield site
    site.close()


@pytest.fixture
def render(serve: Callable[..., Any]) -> Callable[..., Any]:
    """`with render(**limits) as api`: an application that crawls with the browser."""
    return lambda **limits: serve(crawl=CrawlLimits(allowed=ONE, **limits), browser=BROWSER)


def browsers() -> list[psutil.Process]:
    def is_browser(process: psutil.Process) -> bool:
        return process.status() != psutil.STATUS_ZOMBIE and BROWSER.name[:15] in process.name()

    return [process for process in psutil.process_iter(["name", "status"]) if is_browser(process)]


def test_the_text_and_the_links_that_scripts_make_are_found(render: Callable[..., Any], site: Site) -> None:
    with render() as api:
        body = crawl(api, f"{site.url}/")
        assert (body["status"], body["completedDocuments"], body["totalPages"]) == ("completed", 2, 2), body
        [found] = api.search("backs")["results"]
        assert (found["metadata"]["url"], found["metadata"]["headers"]) == (f"{site.url}/", "Otters")
        assert api.search("kelp")["results"][0]["metadata"]["url"] == f"{site.url}/kelp"
    assert site.requests == ["/", "/app.js", "/text", "/kelp"]
    assert not browsers()
    assert not [path for path in Path("/tmp").iterdir() if "playwright" in path.name or "chromium" in path.name]


def test_without_the_browser_scripts_do_not_run(serve: Callable[..., Any], site: Site) -> None:
    with serve(crawl=CrawlLimits(allowed=ONE)) as api:
        crawl(api, f"{site.url}/")
        assert api.search("backs")["results"] == []
    assert site.requests == ["/"]


def test_no_request_of_a_page_reaches_a_forbidden_address(render: Callable[..., Any], site: Site) -> None:
    forbidden = Forbidden()
    host = f"127.0.0.2:{forbidden.port}"
    page = WAYS_OUT.read_text()
    for name, value in {"URL": forbidden.url, "HOST": host, "PORT": str(forbidden.port)}.items():
        page = page.replace(name, value)
    site.page("/", page)
    site.redirects["/away"] = f"{forbidden.url}/away"
    with render() as api:
        body = crawl(api, f"{site.url}/", max_depth=0)
    received = forbidden.ended()
    assert body["status"] == "completed", body
    # The scripts have tried everything.
    [report] = [path for path in site.requests if path.startswith("/report?")]
    assert report.removeprefix("/report?").split(",") == [*["refused"] * 7, *["gathered"] * 3, "refused"]
    assert received == []


def test_a_certificate_is_checked_against_the_authorities_of_the_machine(
    render: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, tls = issue(tmp_path / "mine")
    others, _ = issue(tmp_path / "others")
    site = otters(tls)
    try:
        with render() as api:
            monkeypatch.setenv("SSL_CERT_FILE", str(others))
            assert "CERTIFICATE_VERIFY_FAILED" in crawl(api, f"{site.url}/", max_depth=0)["error"]
            monkeypatch.setenv("SSL_CERT_FILE", str(mine))
            crawl(api, f"{site.url}/", max_depth=0)
            assert api.search("backs")["total_found"] == 1
    finally:
        site.close()


def issue(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A new certificate authority, and a certificate of it for a site on 127.0.0.1."""
    directory.mkdir()
    authority, certificate, key = (directory / name for name in ("authority.pem", "site.pem", "site.key"))
    for command in (
        f"req -x509 -newkey rsa:2048 -nodes -keyout {directory}/authority.key -out {authority} -subj /CN=Otters"
        " -addext keyUsage=critical,keyCertSign",
        f"req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -subj /CN=127.0.0.1"
        f" -CA {authority} -CAkey {directory}/authority.key"
        " -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE",
    ):
        subprocess.run(["openssl", *command.split(), "-days", "30"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return authority, context


def test_scripts_may_navigate_to_another_page_of_the_host(render: Callable[..., Any], site: Site) -> None:
    site.page("/old", '<p>Moved</p><meta http-equiv=refresh content="0; url=/older">')
    site.page("/older", "<p>Moved again</p><script>location.href = '/'</script>")
    with render() as api:
        body = crawl(api, f"{site.url}/old", max_depth=0)
        assert body["status"] == "completed", body
        assert [result["metadata"]["url"] for result in api.search("backs")["results"]] == [f"{site.url}/"]
        assert api.search("moved")["results"] == []


SPOILED = {
    "/forbidden": ("<script>location.href = 'http://127.0.0.2/'</script>", "127.0.0.2 is private, local or reserved"),
    "/round": (
        "<script>location.href = '?' + Math.random()</script>",
        "is redirected by scripts more than 5 times",
    ),
    "/large": (
        "<script>document.body.append('x'.repeat(2e5))</script>",
        "becomes larger than the 100000 bytes allowed",
    ),
    "/endless": ("<p>x</p><script>while (true) {}</script>", "/endless did not finish within 12 s"),
    "/more": ("<script src=/huge.js></script><p id=text>x", "x"),
}


def test_a_page_whose_scripts_fail_is_reported_and_the_next_one_is_read(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, (page, _) in SPOILED.items():
        site.page(path, f"<body>{page}")
    site.page("/huge.js", f"text.textContent = 'all of it' /* {'x' * 300_000} */", "text/javascript")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    from archon_server.crawling.browser_fetcher import BrowserFetcher
    from archon_server.crawling.fetcher import FetchFailed

    limits = CrawlLimits(allowed=ONE, page_bytes=100_000, browser_bytes=200_000, page_seconds=12)

    async def outcomes() -> dict[str, str]:
        found = {}
        async with BrowserFetcher(str(BROWSER), limits) as fetcher:
            for path in SPOILED:
                try:
                    found[path] = (await fetcher.fetch(site.url + path)).text
                except FetchFailed as error:
                    found[path] = str(error)
                # In every case the scripts are stopped and the next page is read.
                assert fetcher.browser.contexts == []
                assert "They sleep on their backs. ?" in (await fetcher.fetch(f"{site.url}/")).text
        return found

    for path, text in asyncio.run(outcomes()).items():
        assert SPOILED[path][1] in text, path
        assert "all of it" not in text
    assert not browsers()


def test_a_crawl_that_is_stopped_takes_its_browser_with_it(render: Callable[..., Any], site: Site) -> None:
    site.page("/", "<script>fetch('/hangs')</script><p>Otters")
    with render(page_seconds=60) as api:
        reply = api.http.post("/api/knowledge-items/crawl", json={"url": f"{site.url}/"})
        eventually(lambda: "/hangs" in site.requests)
        assert browsers()
        api.http.post(f"/api/knowledge-items/stop/{reply.json()['progressId']}")
        assert api.ended(reply.json()["progressId"])["status"] == "cancelled"
    assert not browsers()


def test_a_browser_that_cannot_run_is_reported(serve: Callable[..., Any], site: Site) -> None:
    with serve(crawl=CrawlLimits(allowed=ONE), browser=Path("/bin/false")) as api:
        body = crawl(api, f"{site.url}/")
    assert body["status"] == "error"
    assert body["error"].startswith("/bin/false cannot run: ")
