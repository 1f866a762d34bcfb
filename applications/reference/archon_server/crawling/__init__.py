"""Crawls a web site in a process of its own, which can be stopped at once and then frees its memory."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from ..errors import Cancelled
from ..extraction.encodings import UNREADABLE, Encoding
from ..process import subprocesses
from ..settings import CrawlLimits

_POLL_SECONDS = 0.2
"""How often a crawl is checked for its time limit and its end."""


class CrawlFailed(Exception):
    """No page of the site could be fetched; the message says why."""


@dataclass(frozen=True)
class CrawlRequest:
    """`max_depth` is in links: 0 means only the page itself. `update_frequency` is in days."""

    url: str
    max_depth: int
    knowledge_type: str
    tags: tuple[str, ...]
    update_frequency: int


@dataclass(frozen=True)
class Page:
    url: str
    title: str
    markdown: str


@dataclass(frozen=True)
class CrawlProgress:
    """A crawl fetches `url`, which is page number `done` of the `known` ones."""

    url: str
    done: int
    known: int


@dataclass(frozen=True)
class Site:
    """The pages of a crawl, in a temporary file. `size` is that of the file, in bytes.

    `left_out` names what could not be read, and `guesses` the encodings that had to be guessed.
    """

    title: str
    page_count: int
    size: int
    spool: IO[str]
    left_out: Sequence[str] = ()
    guesses: Sequence[Encoding] = ()

    def pages(self) -> Iterator[Page]:
        self.spool.seek(0)
        for line in self.spool:
            yield Page(**json.loads(line))


@contextmanager
def crawl(
    request: CrawlRequest,
    limits: CrawlLimits,
    browser: Path | None,
    cancelled: threading.Event,
    progressed: Callable[[CrawlProgress], None],
) -> Iterator[Site]:
    """Blocks until the site is fetched. With a `browser`, the scripts of its pages run before their text is read.

    `progressed` is called before each page. Raises CrawlFailed, or Cancelled soon after the event is set.
    """
    # A killed server leaves neither behind: the directory is in the container's /tmp, and the file has no name.
    # Errors of the cleanup are ignored: a browser whose parent was killed by the kernel may still write there.
    directory = tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)
    with directory as work, tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        reasons: list[str] = []
        left_out: list[str] = []
        # One per encoding: that of the page about which the guess is least sure.
        guesses: dict[str, Encoding] = {}
        title, count, ended = "", 0, False
        for message in _messages(request, limits, browser, cancelled, work):
            kind = message.pop("kind")
            if kind == "progress":
                progressed(CrawlProgress(**message))
            elif kind == "page":
                title = title or message["title"]
                count += bool(message["markdown"].strip())
                if unreadable := message["markdown"].count(UNREADABLE):
                    left_out.append(f"characters of {message['url']} that cannot be read ({unreadable})")
                if guess := message.pop("guess"):
                    encoding = Encoding(**guess)
                    guesses[encoding.name] = min(guesses.get(encoding.name, encoding), encoding, key=_confidence)
                spool.write(json.dumps(message) + "\n")
            elif kind == "failed":
                reasons.append(message["reason"])
            ended = kind == "done"
        if cancelled.is_set():
            raise Cancelled
        if not ended:
            raise CrawlFailed(f"{request.url}: the crawl took more than {limits.seconds} s or too much memory")
        if not count:
            raise CrawlFailed(reasons[0] if reasons else f"{request.url} contains no text")
        yield Site(title or request.url, count, spool.tell(), spool, left_out, list(guesses.values()))


def _confidence(encoding: Encoding) -> float:
    return encoding.confidence or 0.0


def _messages(
    request: CrawlRequest, limits: CrawlLimits, browser: Path | None, cancelled: threading.Event, work: str
) -> Iterator[dict[str, Any]]:
    process = subprocesses.start(
        __name__,
        environment={"HOME": work, "TMPDIR": work},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    watcher = threading.Thread(target=_kill_after, args=(process, limits.seconds, cancelled), daemon=True)
    watcher.start()
    try:
        assert process.stdin
        assert process.stdout
        allowed = [str(network) for network in limits.allowed]
        job = {
            "url": request.url,
            "max_depth": request.max_depth,
            "limits": asdict(limits) | {"allowed": allowed},
            "browser": browser and str(browser),
        }
        with process.stdin:
            json.dump(job, process.stdin)
        for line in process.stdout:
            # An incomplete line means that the process was killed.
            if line.endswith("\n"):
                yield json.loads(line)
    except BrokenPipeError:
        return
    finally:
        subprocesses.kill_tree(process)
        watcher.join()
        process.stdout.close()


def _kill_after(process: subprocess.Popen[str], seconds: float, cancelled: threading.Event) -> None:
    remaining = seconds
    # If the kernel kills the crawler for its memory, its browser is left.
    seen: set[psutil.Process] = set()
    while process.poll() is None and remaining > 0 and not cancelled.wait(_POLL_SECONDS):
        remaining -= _POLL_SECONDS
        seen |= subprocesses.descendants(process)
    subprocesses.kill_tree(process, seen)
