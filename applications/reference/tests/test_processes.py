"""What only a process shows: starting, stopping, being killed, and sharing a database with another one."""

import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import eventually
from tests.processes import ServerProcess, python


def text(sections: int) -> str:
    """One passage per section."""
    return "".join(
        f"## Section {n}\n\n" + "An otter sleeps on its back in the kelp. " * 20 + "\n\n" for n in range(sections)
    )


LARGE = text(6000)
"""Takes a second or more to store."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start(**options: Any) -> ServerProcess:
        started.append(ServerProcess(tmp_path, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


def stored(data_dir: Path) -> tuple[int, int]:
    """Documents and passages in the database, whose search index is checked against them."""
    with sqlite3.connect(data_dir / "archon.db") as database:
        database.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES ('integrity-check', 1)")
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return database.execute("SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM chunks)").fetchone()


@pytest.mark.parametrize("percent", [11, 80])
def test_a_kill_during_an_upload_leaves_no_half_document(
    start: Callable[..., ServerProcess], tmp_path: Path, percent: int
) -> None:
    server = start(fake={"hold_percent": percent}).ready()
    whole = server.ended(server.begin_upload("# Whole\n\nAn otter."))["sourceId"]
    progress_id = server.begin_upload(LARGE, "held.md")
    eventually(lambda: server.progress(progress_id)["progress"] >= percent)
    server.kill()
    assert stored(tmp_path) == (1, 1)
    assert list((tmp_path / "uploads").iterdir()) == []

    again = start(port=server.port).ready()
    interrupted = again.ended(progress_id)
    assert interrupted["status"] == "error"
    assert "restarted during this upload" in interrupted["error"]
    assert [result["metadata"]["source_id"] for result in again.search("otter")["results"]] == [whole]
    assert again.ended(again.begin_upload(text(600)))["chunksStored"] == 600
    assert stored(tmp_path) == (2, 601)


def test_a_kill_while_a_file_arrives_leaves_nothing(start: Callable[..., ServerProcess], tmp_path: Path) -> None:
    server = start().ready()
    head = (
        b"POST /api/documents/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"otter\n" * 500_000)
        eventually(lambda: any(name.startswith(str(tmp_path / "uploads")) for name in server.open_files()))
        server.kill()
    assert list((tmp_path / "uploads").iterdir()) == []
    assert stored(tmp_path) == (0, 0)


def test_a_stopping_server_finishes_its_work_and_loses_no_request(
    start: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start(drain_seconds=1.5, fake={"score_seconds": 0.4}).ready()
    server.ended(server.begin_upload("An otter."))
    answers: list[dict[str, Any]] = []
    in_flight = threading.Thread(target=lambda: answers.append(server.search("otter")))
    in_flight.start()
    server.begin_upload(LARGE)
    server.process.terminate()
    stopped_at = time.monotonic()
    eventually(lambda: server.status() == 503)
    assert server.http.get("/health").json()["status"] == "draining"
    # What arrives while the gateway has not noticed yet is served like any other.
    assert server.search("otter")["reranking_applied"] is True
    late = httpx.post(f"{server.http.base_url}/api/rag/query", json={"query": "otter"})
    assert late.json()["reranking_applied"] is True

    assert server.process.wait(20) == 0
    assert time.monotonic() - stopped_at >= 1.5
    in_flight.join()
    assert answers[0]["reranking_applied"] is True
    assert stored(tmp_path) == (2, 6001)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.http.base_url}/health")


def test_a_request_in_flight_at_the_end_of_the_wait_is_answered(start: Callable[..., ServerProcess]) -> None:
    server = start(fake={"score_seconds": 0.5}).ready()
    server.ended(server.begin_upload("An otter."))
    answers: list[dict[str, Any]] = []
    in_flight = threading.Thread(target=lambda: answers.append(server.search("otter")))
    in_flight.start()
    eventually(lambda: "archon_retrieval_seconds_count 1.0" in server.http.get("/metrics").text)
    server.process.terminate()
    in_flight.join()
    assert answers[0]["reranking_applied"] is True
    assert server.process.wait(10) == 0


def test_a_second_signal_ends_the_wait(start: Callable[..., ServerProcess]) -> None:
    server = start(drain_seconds=60).ready()
    server.process.terminate()
    eventually(lambda: server.status() == 503)
    server.process.terminate()
    assert server.process.wait(10) == 0


def test_a_model_that_is_still_loading_does_not_delay_the_end(start: Callable[..., ServerProcess]) -> None:
    server = start(fake={"load_seconds": 60})
    eventually(lambda: server.status() == 503)
    server.process.terminate()
    assert server.process.wait(10) == 0


def test_a_server_whose_port_is_in_use_exits_at_once(start: Callable[..., ServerProcess]) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        server = start(port=taken.getsockname()[1], fake={"load_seconds": 60})
        output, _ = server.process.communicate(timeout=20)
    assert server.process.returncode == 3
    assert "address already in use" in output


def test_two_servers_share_one_database(start: Callable[..., ServerProcess], tmp_path: Path) -> None:
    """As in a change of releases: both start on it, both write, one is killed in the middle of it."""
    one, other = start(), start()
    for server in (one, other):
        server.ready()
    large = one.begin_upload(LARGE)
    small = other.begin_upload("A beaver.", "beaver.md")
    assert one.search("beaver")["success"]
    assert one.ended(large)["status"] == other.ended(small)["status"] == "completed"
    assert other.progress(large)["chunksStored"] == 6000
    for server in (one, other):
        assert [result["content"] for result in server.search("beaver")["results"]] == ["A beaver."]

    lost = one.begin_upload(LARGE)
    eventually(lambda: one.progress(lost)["progress"] > 20)
    waiting = other.begin_upload("A badger.", "badger.md")
    one.kill()
    assert other.ended(waiting)["status"] == "completed"
    assert stored(tmp_path) == (3, 6002)


def test_the_log_has_one_line_per_record_tracebacks_included(start: Callable[..., ServerProcess]) -> None:
    server = start(fake={"load_error": "out of\nmemory"})
    eventually(lambda: server.status() and server.http.get("/health").json()["status"] == "failed")
    server.process.terminate()
    lines = server.process.communicate(timeout=10)[0].splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.+]+ (INFO|WARNING|ERROR) [\w.]+: ", line) for line in lines)
    assert [line for line in lines if "Traceback" in line and "out of | memory" in line]


@pytest.mark.parametrize(
    ("environment", "printed"),
    [
        ({"PORT": "http"}, "PORT: got 'http', expected a whole number from 1 to 65535"),
        ({"ARCHON_DATA_DIR": "/proc/nowhere"}, "/proc/nowhere cannot be used: "),
    ],
)
def test_a_server_that_cannot_start_says_why(environment: dict[str, str], printed: str) -> None:
    process = python("archon_server", environment=environment)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert printed in output
    assert "Traceback" not in output


def test_the_server_listens_before_it_imports_the_packages(tmp_path: Path) -> None:
    """torch takes seconds to import; only the loading of a model may ask for it."""
    script = (
        "import sys, archon_server.reranking.cross_encoder, archon_server.main\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers', 'numpy') if name in sys.modules])"
    )
    (tmp_path / "look.py").write_text(script)
    process = python("look", environment={}, cwd=tmp_path)
    assert process.communicate(timeout=60)[0].strip() == "[]"
