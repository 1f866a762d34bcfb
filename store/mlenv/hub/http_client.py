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

BROKEN = (OSError, HTTPException)
"""What a broken connection raises."""

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class Response:
    """A response. As a context manager it keeps the connection if the body was read completely, and closes it
    otherwise."""

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
        """The body, or its beginning. Raises one of BROKEN, also for a body that ends early."""
        return self._response.read(None if limit < 0 else limit)

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer as far as the body goes; 0 at its end, whether that came early or not."""
        return self._response.readinto(buffer)


class ConnectionPool:
    """Connections to any number of origins, at most one per thread and origin. `timeout` in seconds is for each
    wait."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._local = threading.local()
        self._connections: list[HTTPConnection] = []
        self._lock = threading.Lock()
        self._proxies = urllib.request.getproxies_environment()

    def get(self, url: str, headers: dict[str, str]) -> Response:
        """Send one GET without following redirects. Raises one of BROKEN."""
        place = origin(url)
        proxy = self._proxy(place)
        connections: dict[Origin, HTTPConnection] = self._local.__dict__.setdefault("connections", {})
        connection = connections.get(place) or connections.setdefault(place, self._connection(place, proxy))
        target = url if proxy and place[0] == "http" else _path(url)
        if proxy and place[0] == "http":
            headers = headers | _proxy_authorization(proxy)
        kept = connection.sock is not None
        try:
            return Response(url, _request(connection, target, headers), connection)
        except BROKEN as error:
            connection.close()
            # The server may have closed a kept connection since, so retry once; but a time-out belongs to this request.
            if not kept or isinstance(error, TimeoutError):
                raise
        try:
            return Response(url, _request(connection, target, headers), connection)
        except BROKEN:
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

    def _proxy(self, place: Origin) -> str | None:
        scheme, host, port = place
        proxy = self._proxies.get(scheme)
        if not proxy or urllib.request.proxy_bypass_environment(f"{host}:{port}", self._proxies):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def _connection(self, place: Origin, proxy: str | None) -> HTTPConnection:
        scheme, host, port = place
        via = origin(proxy) if proxy else place
        if proxy and via[0] != "http":
            raise MlenvError(f"{scheme}_proxy is {_without_user(proxy)}: only http:// proxies are supported")
        if scheme == "https":
            connection = HTTPSConnection(via[1], via[2], timeout=self._timeout, context=self._ssl_context)
            if proxy:
                connection.set_tunnel(host, port, _proxy_authorization(proxy))
        else:
            connection = HTTPConnection(via[1], via[2], timeout=self._timeout)
        with self._lock:
            self._connections.append(connection)
        return connection


def origin(url: str) -> Origin:
    """Scheme, host and port of a URL."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


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


def _without_user(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
