"""How a model is reached: mirrors, proxies, certificates, and who gets the token."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlenv.store.store import Store

from .fake_hub import FakeHub, stored
from .run_mlenv import Result, mlenv
from .store_contents import everything_below, visible_snapshots
from .tampering import status, wrong_byte

REVISION = "a9" * 20
FILES = {"config.json": b'{"a": 1}', "model.safetensors": bytes(range(256)) * 2000}
STORED = stored("Org/Name", REVISION, "model.safetensors")


@pytest.fixture
def mirror() -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.add("Org/Name", REVISION, FILES)
        yield running


@pytest.fixture
def fetch(store: Store, hub: FakeHub):
    hub.add("Org/Name", REVISION, FILES)

    def run(*options: str, endpoint: str | None = None, **environment: str) -> Result:
        name = ("--store", store.root, "--repo", "Org/Name", "--revision", REVISION)
        return mlenv(
            "fetch", *name, "--endpoint", endpoint or hub.endpoint, *options, MLENV_TEST_PAUSE="0.01", **environment
        )

    return run


def fetched(store: Store) -> dict[str, bytes]:
    return everything_below(store.hub / "models--Org--Name/snapshots" / REVISION)


def test_a_mirror_is_not_asked_while_the_endpoint_answers(store: Store, fetch, mirror: FakeHub):
    assert fetch("--mirror", mirror.endpoint).status == 0
    assert (fetched(store), mirror.requests) == (FILES, [])


def test_a_mirror_takes_over_when_the_endpoint_is_down(store: Store, fetch, hub: FakeHub, mirror: FakeHub):
    result = fetch("--mirror", "http://127.0.0.1:9", mirror.endpoint, endpoint="http://127.0.0.1:9", HF_TOKEN="hush")
    assert result.status == 0, result.err
    assert f"the list of files and hashes comes from the hub at {mirror.endpoint}" in result.out
    assert fetched(store) == FILES
    assert {request.authorization for request in mirror.requests} == {None}
    # It failed once; the second file does not try it first again.
    assert result.out.count("gave up on the hub at http://127.0.0.1:9 ") == 2


def test_a_mirror_takes_over_for_files_that_the_endpoint_fails_to_send(
    store: Store, fetch, hub: FakeHub, mirror: FakeHub
):
    hub.tamper(STORED, *[status(503)] * 30)
    assert fetch("--mirror", mirror.endpoint).status == 0
    assert fetched(store) == FILES
    assert [request.path for request in mirror.requests_to("/api/")] == []


def test_a_mirror_must_match_the_hashes_of_the_endpoint(store: Store, fetch, hub: FakeHub, mirror: FakeHub):
    hub.tamper(STORED, *[status(503)] * 30)
    mirror.add("Org/Name", REVISION, FILES | {"model.safetensors": b"?" + FILES["model.safetensors"][1:]})
    result = fetch("--mirror", mirror.endpoint)
    assert result.status == 1
    assert "HTTP 503" in result.err
    assert "model.safetensors is not what the hub lists: sha256 " in result.err
    assert f"from the hub at {mirror.endpoint}" in result.err
    assert visible_snapshots(store) == []


def test_a_mirror_replaces_wrong_content_of_the_endpoint(store: Store, fetch, hub: FakeHub, mirror: FakeHub):
    hub.tamper(STORED, wrong_byte(5))
    result = fetch("--mirror", mirror.endpoint)
    assert result.status == 0, result.err
    assert fetched(store) == FILES


def test_proxies_are_used_except_for_excluded_hosts(store: Store, fetch, hub: FakeHub):
    with proxy() as (address, seen):
        assert fetch(http_proxy=address, no_proxy="127.0.0.1").status == 0
        assert seen == []
        shutil.rmtree(store.hub / "models--Org--Name")
        result = fetch(http_proxy=address.replace("//", "//user:pass@"), HF_TOKEN="hush")
        assert result.status == 0, result.err
    assert {target.split("/")[2] for target, _ in seen} >= {f"127.0.0.1:{hub.port}"}
    assert {authorization for _, authorization in seen} == {"Basic dXNlcjpwYXNz"}
    assert len(seen) == len(hub.requests) - 4
    assert "pass" not in result.out + result.err


def test_a_proxy_that_requires_a_user_is_reported(fetch):
    with proxy(refuse=407) as (address, _):
        result = fetch(http_proxy=address)
    assert (result.status, "the proxy requires a user" in result.err) == (1, True)


def test_a_proxy_with_an_unsupported_scheme_is_refused(fetch):
    result = fetch(http_proxy="socks5://127.0.0.1:1")
    assert (result.status, "only http:// proxies are supported" in result.err) == (1, True)


@pytest.mark.parametrize("through_a_proxy", [False, True])
def test_certificates_are_checked_against_the_configured_bundle(
    store: Store, fetch, hub: FakeHub, tmp_path: Path, through_a_proxy: bool
):
    certificate = make_certificate(tmp_path)
    with encrypted(hub, certificate) as endpoint, proxy() as (address, seen):
        environment = {"https_proxy": address} if through_a_proxy else {}
        refused = fetch(endpoint=endpoint, **environment)
        assert (refused.status, "is not trusted" in refused.err) == (1, True)
        assert "archon:caBundle" in refused.err
        seen.clear()
        hub.elsewhere = False
        result = fetch(endpoint=endpoint, SSL_CERT_FILE=str(certificate), **environment)
        assert result.status == 0, result.err
    assert fetched(store) == FILES
    assert bool(seen) == through_a_proxy


def test_an_encrypted_hub_never_redirects_to_an_unencrypted_url(store: Store, fetch, hub: FakeHub, tmp_path: Path):
    certificate = make_certificate(tmp_path)
    with encrypted(hub, certificate) as endpoint:
        result = fetch(endpoint=endpoint, SSL_CERT_FILE=str(certificate))
    assert (result.status, "which is not encrypted; refused" in result.err) == (1, True)
    assert visible_snapshots(store) == []


def make_certificate(directory: Path) -> Path:
    """A key and a self-signed certificate for 127.0.0.1, in one file."""
    target = directory / "hub.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hub"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem", "-out", target),
        ],
        check=True,
        capture_output=True,
    )
    target.write_text(target.read_text() + (directory / "key.pem").read_text())
    return target


@contextmanager
def encrypted(hub: FakeHub, certificate: Path) -> Iterator[str]:
    """The hub behind TLS; yields its endpoint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(client,), daemon=True).start()

    def handle(client: socket.socket) -> None:
        try:
            inner = context.wrap_socket(client, server_side=True)
        except OSError:
            return client.close()
        return pump(inner, socket.create_connection(("127.0.0.1", hub.port)))

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def proxy(refuse: int | None = None) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A proxy; yields its URL and its requests, each with its Proxy-Authorization."""
    seen: list[tuple[str, str | None]] = []

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Proxy-Authorization"]))
            if refuse:
                self.send_response(refuse)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            host, _, path = self.path.removeprefix("http://").partition("/")
            name, port = host.split(":")
            lines = [f"GET /{path} HTTP/1.1"]
            lines += [f"{key}: {value}" for key, value in self.headers.items() if not key.startswith("Proxy-")]
            with socket.create_connection((name, int(port))) as there:
                there.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
                while data := there.recv(1 << 16):
                    self.wfile.write(data)
            self.close_connection = True

        def do_CONNECT(self) -> None:
            seen.append((self.path, self.headers["Proxy-Authorization"]))
            name, port = self.path.split(":")
            self.send_response(200)
            self.end_headers()
            pump(self.connection, socket.create_connection((name, int(port))))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()


def pump(one: socket.socket, other: socket.socket) -> None:
    """Copy bytes in both directions until one side ends."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join()
    one.close()
    other.close()
