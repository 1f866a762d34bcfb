"""Faults of a hub, each for one request: `hub.tamper(path, cut(after=100), status(503))`."""

from __future__ import annotations

import time

from .fake_hub import Handler, Tampering


def status(code: int, **headers: str) -> Tampering:
    """Answer with a status and headers (`retry_after="0"` becomes Retry-After)."""

    def answer(request: Handler) -> bool:
        request.send(code, b"", {name.replace("_", "-").title(): value for name, value in headers.items()})
        return True

    return answer


def redirect(target: str) -> Tampering:
    """Redirect to another URL."""
    return status(302, location=target)


def body(data: bytes) -> Tampering:
    """Answer with other bytes than the listed ones."""

    def answer(request: Handler) -> bool:
        request.send(200, data)
        return True

    return answer


def untouched(_: Handler) -> bool:
    """Answer this request normally; the next one gets the next fault."""
    return False


def cut(after: int) -> Tampering:
    """Announce the requested bytes, send some of them, and close the connection."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        request.announce(size, first, end)
        request.deliver(content, first, min(first + after, end))
        request.close_connection = True
        return True

    return answer


def stall(after: int) -> Tampering:
    """Send some bytes and then nothing, until the client disconnects or the hub closes."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        request.announce(size, first, end)
        request.deliver(content, first, min(first + after, end))
        return _wait_for_the_client(request)

    return answer


def silent(request: Handler) -> bool:
    """Accept the request and never answer it."""
    return _wait_for_the_client(request)


def wrong_byte(at: int) -> Tampering:
    """Send the requested bytes with one of them changed."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        sent = bytearray(content if isinstance(content, bytes) else content.read_bytes())[first:end]
        sent[at] ^= 0x20
        request.announce(size, first, end)
        request.deliver(bytes(sent), 0, len(sent))
        return True

    return answer


def wrong_length(by: int) -> Tampering:
    """Answer as if the file were so many bytes longer (or shorter) than listed."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        last = min(end, size + by)
        request.announce(size + by, first, last)
        request.deliver(content, first, last)
        return True

    return answer


def slow(bytes_per_second: int, limit: int) -> Tampering:
    """Send the first `limit` bytes slowly, the rest at once."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        request.announce(size, first, end)
        at = first
        while at < end:
            step = min(max(bytes_per_second // 20, 1), end - at) if at - first < limit else end - at
            request.deliver(content, at, at + step)
            at += step
            time.sleep(0.05)
        return True

    return answer


def whole(request: Handler) -> bool:
    """Ignore Range, like a server without range support."""
    content = request.wanted()[0]
    data = content if isinstance(content, bytes) else content.read_bytes()
    request.head(200, {"Content-Length": str(len(data))})
    request.deliver(data, 0, len(data))
    return True


def whole_cut(after: int) -> Tampering:
    """Ignore Range, and disconnect after some bytes of the whole file."""

    def answer(request: Handler) -> bool:
        content, size, _, _ = request.wanted()
        request.head(200, {"Content-Length": str(size)})
        request.deliver(content, 0, after)
        request.close_connection = True
        return True

    return answer


expired = status(403)
"""Answer as a file storage does for a signed URL that has expired."""


def _wait_for_the_client(request: Handler) -> bool:
    request.connection.settimeout(0.1)
    while not request.hub.closing.is_set():
        try:
            if not request.connection.recv(1):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    request.close_connection = True
    return True
