"""Limits on the memory of a crawl."""

import resource
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

WITHOUT_BROWSER_BYTES = 3 * 1024 * 1024 * 1024
"""Of address space."""

WITH_BROWSER_BYTES = 1536 * 1024 * 1024
"""Of all processes of the crawl together, and of writable memory of each of them."""

_POLL_SECONDS = 0.25


def limit_memory(with_browser: bool) -> None:
    """From now on this process and those it starts are killed if they take too much memory."""
    # If the container's own limit is reached first, the kernel kills the crawl and not the server.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if not with_browser:
        resource.setrlimit(resource.RLIMIT_AS, (WITHOUT_BROWSER_BYTES, WITHOUT_BROWSER_BYTES))
        return
    # A browser reserves terabytes of address space, so only writable memory is limited.
    resource.setrlimit(resource.RLIMIT_DATA, (WITH_BROWSER_BYTES, WITH_BROWSER_BYTES))
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while True:
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        if sum(map(_private_bytes, processes)) > WITH_BROWSER_BYTES:
            for process in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        time.sleep(_POLL_SECONDS)


def _private_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_info()
    except psutil.NoSuchProcess:
        return 0
    return memory.rss - memory.shared
