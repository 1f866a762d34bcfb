"""An HTTP client that keeps its connections; it uses the proxy and the CA bundle that the environment variables name.

`urllib.request` opens a connection for every request; for parts of a few megabytes, handshakes would take most of the
time.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import urllib.parse
import urllib.request
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection

from ..core.errors import MlenvError

CONNECTION_ERRORS = (OSError, HTTPException)
"""The exceptions that a broken connection raises."""

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class Response:
    """A response. On leaving its context the connection stays open if the body was read completely; otherwise it is
    closed."""

    def __init__(self, url: str, response: HTTPResponse, connection: HTTPConnection) -> None:
        self.url = url
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._connection = connection

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._response.isclosed():
            self._connection.close()

    def read(self, limit: int = -1) -> bytes:
        """The body, or its first `limit` bytes. Raises one of CONNECTION_ERRORS, also for a body that ends early."""
        return self._response.read(None if limit < 0 else limit)

    def readinto(self, buffer: memoryview) -> int:
        """Read bytes of the body into a buffer; returns how many, 0 at its end, whether that came early or not."""
        return self._response.readinto(buffer)


class ConnectionPool:
    """Connections to any number of origins, at most one per thread and origin. `timeout` is in seconds, for connecting
    and for each read."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._local = threading.local()
        self._connections: list[HTTPConnection] = []
        self._lock = threading.Lock()
        self._proxies = urllib.request.getproxies_environment()

    def get(self, url: str, headers: dict[str, str]) -> Response:
        """Send one GET without following redirects. Raises one of CONNECTION_ERRORS."""
        server = origin(url)
        proxy = self._proxy(server)
        connections: dict[Origin, HTTPConnection] = self._local.__dict__.setdefault("connections", {})
        if server not in connections:
            connections[server] = self._connection(server, proxy)
        connection = connections[server]
        target = _path(url)
        if proxy and server[0] == "http":
            target = url
            headers = headers | _proxy_authorization(proxy)
        reused = connection.sock is not None
        try:
            return Response(url, _request(connection, target, headers), connection)
        except CONNECTION_ERRORS as error:
            connection.close()
            # The server may have closed a reused connection meanwhile, so retry once. A time-out has another cause.
            if not reused or isinstance(error, TimeoutError):
                raise
        try:
            return Response(url, _request(connection, target, headers), connection)
        except CONNECTION_ERRORS:
            connection.close()
            raise

    def interrupt(self) -> None:
        """Wake every thread that waits for one of these connections: its read ends at once."""
        with self._lock:
            for connection in self._connections:
                if (sock := connection.sock) is not None:
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _proxy(self, server: Origin) -> str | None:
        scheme, host, port = server
        proxy = self._proxies.get(scheme)
        if not proxy or urllib.request.proxy_bypass_environment(f"{host}:{port}", self._proxies):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def _connection(self, server: Origin, proxy: str | None) -> HTTPConnection:
        scheme, host, port = server
        first_scheme, first_host, first_port = origin(proxy) if proxy else server
        if proxy and first_scheme != "http":
            raise MlenvError(f"{scheme}_proxy is {without_secrets(proxy)}: only http:// proxies are supported")
        if scheme == "https":
            connection = HTTPSConnection(first_host, first_port, timeout=self._timeout, context=self._ssl_context)
            if proxy:
                connection.set_tunnel(host, port, _proxy_authorization(proxy))
        else:
            connection = HTTPConnection(first_host, first_port, timeout=self._timeout)
        with self._lock:
            self._connections.append(connection)
        return connection


def origin(url: str) -> Origin:
    """Scheme, host and port of a URL."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def without_secrets(url: str) -> str:
    """A URL for messages: without user and password, and without the query, which may hold a signature."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _request(connection: HTTPConnection, target: str, headers: dict[str, str]) -> HTTPResponse:
    connection.request("GET", target, headers=headers)
    return connection.getresponse()


def _path(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))


def _proxy_authorization(proxy: str) -> dict[str, str]:
    parts = urllib.parse.urlsplit(proxy)
    if parts.username is None:
        return {}
    user = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
