"""The end of a process with all that it has started."""

import threading
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from archon_server import crawling
from archon_server.process import subprocesses
from tests.conftest import eventually
from tests.processes import python

CRAWLER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; print('browser', flush=True); time.sleep(600)"])
time.sleep(600)
"""


@pytest.fixture
def crawler(tmp_path: Path) -> Popen[str]:
    """A process that has started another one, with which it shares its standard output."""
    (tmp_path / "crawler.py").write_text(CRAWLER)
    process = python("crawler", environment={}, cwd=tmp_path)
    assert process.stdout.readline() == "browser\n"
    return process


def test_what_a_process_has_started_ends_with_it(crawler: Popen[str]) -> None:
    [browser] = subprocesses.descendants(crawler)
    subprocesses.kill_tree(crawler)
    assert crawler.stdout.read() == ""
    assert not browser.is_running() or browser.status() == psutil.STATUS_ZOMBIE


def test_the_browser_of_a_crawler_that_the_kernel_killed_is_ended(crawler: Popen[str]) -> None:
    seen = subprocesses.descendants(crawler)
    crawler.kill()
    crawler.wait()
    assert subprocesses.descendants(crawler) == set()
    subprocesses.kill_tree(crawler, seen)
    assert crawler.stdout.read() == ""


def test_a_crawl_notices_what_its_crawler_has_started(crawler: Popen[str]) -> None:
    watcher = threading.Thread(target=crawling._kill_after, args=(crawler, 60, threading.Event()))
    watcher.start()
    [browser] = subprocesses.descendants(crawler)
    # After the next look of the watcher.
    threading.Event().wait(1)
    crawler.kill()
    watcher.join(20)
    eventually(lambda: not browser.is_running() or browser.status() == psutil.STATUS_ZOMBIE)
    assert crawler.stdout.read() == ""
