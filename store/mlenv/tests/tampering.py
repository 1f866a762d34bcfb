"""Ways in which a hub goes wrong, each for one request: `hub.tamper(path, cut(after=100), status(503))`."""

from __future__ import annotations

import time

from .fake_hub import Answer, Handler


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and headers (`retry_after="0"` becomes Retry-After)."""

    def answer(request: Handler) -> bool:
        request.send(code, b"", {name.replace("_", "-").title(): value for name, value in headers.items()})
        return True

    return answer


def redirect(target: str) -> Answer:
    """Send the client elsewhere."""
    return status(302, location=target)


def body(data: bytes) -> Answer:
    """Answer with other bytes than the listed ones."""

    def answer(request: Handler) -> bool:
        request.send(200, data)
        return True

    return answer


def untouched(_: Handler) -> bool:
    """Leave this request alone; the next one gets the next fault."""
    return False


def cut(after: int) -> Answer:
    """Promise all that was asked for, send so many bytes, and hang up."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        request.announce(size, first, end)
        request.deliver(content, first, min(first + after, end))
        request.close_connection = True
        return True

    return answer


def stall(after: int) -> Answer:
    """Send so many bytes and then nothing, until the client hangs up or the hub closes."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        request.announce(size, first, end)
        request.deliver(content, first, min(first + after, end))
        return _wait_for_the_client(request)

    return answer


def silent(request: Handler) -> bool:
    """Take the request and never answer it."""
    return _wait_for_the_client(request)


def wrong_byte(at: int) -> Answer:
    """Send what was asked for with one byte of it changed."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        sent = bytearray(content if isinstance(content, bytes) else content.read_bytes())[first:end]
        sent[at] ^= 0x20
        request.announce(size, first, end)
        request.deliver(bytes(sent), 0, len(sent))
        return True

    return answer


def wrong_length(by: int) -> Answer:
    """Answer as if the file were so many bytes longer (or shorter) than it is listed with."""

    def answer(request: Handler) -> bool:
        content, size, first, end = request.wanted()
        last = min(end, size + by)
        request.announce(size + by, first, last)
        request.deliver(content, first, last)
        return True

    return answer


def slow(bytes_per_second: int, limit: int) -> Answer:
    """Send the first `limit` bytes at a slow rate, the rest at once."""

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
    """Ignore Range, as a server does that knows no ranges."""
    content = request.wanted()[0]
    data = content if isinstance(content, bytes) else content.read_bytes()
    request.head(200, {"Content-Length": str(len(data))})
    request.deliver(data, 0, len(data))
    return True


def whole_cut(after: int) -> Answer:
    """Ignore Range, and hang up after so many bytes of the whole file."""

    def answer(request: Handler) -> bool:
        content, size, _, _ = request.wanted()
        request.head(200, {"Content-Length": str(size)})
        request.deliver(content, 0, after)
        request.close_connection = True
        return True

    return answer


expired = status(403)
"""What a store answers to a signed address that has run out."""


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
