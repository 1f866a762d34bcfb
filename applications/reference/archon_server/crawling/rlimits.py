"""Bounds on the memory of a crawl."""

import resource
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

ALONE_BYTES = 3 * 1024 * 1024 * 1024
"""Of address space, for a crawl without a browser."""

WITH_BROWSER_BYTES = 1536 * 1024 * 1024
"""For all processes of a crawl with a browser together, and of written memory for each of them."""

_LOOK_SECONDS = 0.25


def limit_memory(with_browser: bool) -> None:
    """Ends this process, and what it has started, when it takes too much memory."""
    # Where the container's own limit is met first, the crawl goes and not the server.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if not with_browser:
        resource.setrlimit(resource.RLIMIT_AS, (ALONE_BYTES, ALONE_BYTES))
        return
    # A browser reserves address space by the terabyte, so only what can be written counts.
    resource.setrlimit(resource.RLIMIT_DATA, (WITH_BROWSER_BYTES, WITH_BROWSER_BYTES))
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while True:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        if sum(map(_own_bytes, family)) > WITH_BROWSER_BYTES:
            for process in reversed(family):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        time.sleep(_LOOK_SECONDS)


def _own_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_info()
    except psutil.NoSuchProcess:
        return 0
    return memory.rss - memory.shared
