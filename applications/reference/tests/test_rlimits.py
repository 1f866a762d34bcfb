"""The limit on the memory of a crawl and of all that it starts."""

import subprocess
from pathlib import Path

from archon_server.process import subprocesses
from tests.processes import python

HOG = "held = bytearray(90 * 1024 * 1024); print('held', flush=True); import time; time.sleep(600)"
CRAWL = f"""
import subprocess, sys, time
from archon_server.crawling import rlimits
rlimits.WITH_BROWSER_BYTES = 200 * 1024 * 1024
rlimits.limit_memory(with_browser=True)
print(open("/proc/self/oom_score_adj").read().strip(), flush=True)
for _ in range(HOGS):
    subprocess.Popen([sys.executable, "-c", {HOG!r}])
time.sleep(600)
"""


def crawl(hogs: int, directory: Path) -> subprocess.Popen[str]:
    (directory / "crawl.py").write_text(CRAWL.replace("HOGS", str(hogs)))
    return python("crawl", environment={}, cwd=directory)


def test_a_crawl_whose_processes_take_too_much_together_ends_with_all_of_them(tmp_path: Path) -> None:
    process = crawl(3, tmp_path)
    # The pipe ends when the last of these processes has exited.
    assert process.stdout.read().splitlines()[0] == "1000"
    assert process.wait() == -9


def test_a_crawl_that_takes_less_continues_until_it_is_killed(tmp_path: Path) -> None:
    process = crawl(1, tmp_path)
    assert [process.stdout.readline() for _ in range(2)] == ["1000\n", "held\n"]
    assert process.poll() is None
    subprocesses.kill_tree(process)
    assert process.stdout.read() == ""
