"""The memory that the server needs for the largest allowed upload."""

from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.processes import ServerProcess

SIZE = 100 * 1024 * 1024
MOST_GROWTH = 64 * 1024 * 1024


def peak(server: ServerProcess) -> int:
    """The peak of the process's resident memory so far, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.timeout(900)
def test_the_largest_file_needs_a_bounded_amount_of_memory(tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    # Few words per passage, because indexing many words takes longer and the test measures memory.
    large.write_bytes((b"otter" + b"x" * 1018 + b"\n") * (SIZE // 1024))
    data = tmp_path / "data"
    server = ServerProcess(data).ready()
    try:
        server.ended(server.begin_upload("A first document, so that everything is loaded."))
        before = peak(server)
        with large.open("rb") as file:
            reply = server.http.post("/api/documents/upload", files={"file": ("large.txt", file)}, timeout=600)
        assert reply.status_code == 200, reply.text
        progress_id = reply.json()["progressId"]
        body = eventually(lambda: (body := server.progress(progress_id))["status"] == "completed" and body, 800)
        assert body["chunksStored"] >= SIZE // 1024
        assert peak(server) - before < MOST_GROWTH
    finally:
        server.close()
