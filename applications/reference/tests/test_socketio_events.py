"""Progress over Socket.IO, with the real protocol and a real server."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio
from engineio.payload import Payload
from socketio.exceptions import ConnectionError as SocketIoError

from archon_server.storage import FINISHED
from tests.conftest import eventually
from tests.processes import ServerProcess

# A client that falls behind gets all events in one answer. By default this one accepts 16, and stops without an error
# at more.
Payload.max_decode_packets = 1000

LARGE = "".join(f"## Section {n}\n\nAn otter sleeps on its back in the kelp.\n\n" for n in range(3000))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("open"), fake={"hold_percent": 11}).ready()
    yield server
    server.close()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("closed"), api_token="s3cret").ready()
    yield server
    server.close()


class Client:
    """A Socket.IO client that keeps its events in order."""

    def __init__(self, server: ServerProcess, **options: Any) -> None:
        self.events: list[tuple[str, Any]] = []
        self.socket = socketio.Client(reconnection=False)
        # A disconnection, also that of a refused client, must not wait until the server answers the pending request for
        # events, which takes up to 25 s.
        self.socket.eio.disconnect = partial(self.socket.eio.disconnect, abort=True)
        for name in ("crawl_subscribe_ack", "crawl_progress", "crawl:stopping"):
            self.socket.on(name, lambda data, name=name: self.events.append((name, data)))
        self.socket.connect(str(server.http.base_url), transports=["polling"], wait_timeout=20, **options)

    @property
    def ended(self) -> dict[str, Any] | None:
        """The last event of a job. The client handles events in threads, so their order may differ."""
        return next((body for body in self.progress() if body["status"] in FINISHED), None)

    def close(self) -> None:
        self.socket.disconnect()

    def progress(self) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == "crawl_progress"]


def test_a_subscriber_follows_an_upload_to_its_end(server: ServerProcess) -> None:
    client = Client(server)
    progress_id = server.begin_upload(LARGE * 5)
    client.socket.emit("crawl_subscribe", {"progress_id": progress_id})
    eventually(lambda: client.ended)
    client.close()

    assert ("crawl_subscribe_ack", {"progress_id": progress_id, "status": "subscribed"}) in client.events
    last = client.ended
    assert last
    assert (last["progressId"], last["chunksStored"]) == (progress_id, 15000)
    assert all(body["percentage"] == body["progress"] and body["log"] for body in client.progress())


def test_a_late_subscriber_learns_how_it_ended(server: ServerProcess) -> None:
    progress_id = server.begin_upload("An otter.")
    server.ended(progress_id)
    client = Client(server)
    client.socket.emit("crawl_subscribe", {"progress_id": progress_id})
    client.socket.emit("crawl_subscribe", {"progress_id": "nope"})
    client.socket.emit("crawl_subscribe", "nonsense")
    eventually(lambda: len(client.progress()) == 3)
    client.close()
    # The server looks the jobs up concurrently, so the order of the answers may differ.
    known = [body for body in client.progress() if body["progressId"] == progress_id]
    assert [body["percentage"] for body in known] == [100]
    unknown = [body for body in client.progress() if body["status"] == "error"]
    assert {"status": "error", "error": "Operation nope not found", "progressId": "nope"} in unknown
    assert len(unknown) == 2


def test_after_unsubscribing_a_client_gets_no_events(server: ServerProcess) -> None:
    leaver, stayer = Client(server), Client(server)
    progress_id = server.begin_upload(LARGE, "held.md")
    for client in (leaver, stayer):
        client.socket.emit("crawl_subscribe", {"progress_id": progress_id})
        eventually(client.progress)
    leaver.socket.call("crawl_unsubscribe", {"progress_id": progress_id})
    server.http.post(f"/api/knowledge-items/stop/{progress_id}")
    assert eventually(lambda: stayer.ended)["status"] == "cancelled"
    assert leaver.ended is None
    leaver.close()
    stayer.close()


def test_a_subscriber_can_stop_a_job(server: ServerProcess) -> None:
    client = Client(server)
    progress_id = server.begin_upload(LARGE, "held.md")
    eventually(lambda: server.progress(progress_id)["progress"] >= 11)
    assert client.socket.call("crawl_stop", {"progress_id": progress_id}) == {
        "success": True,
        "progressId": progress_id,
    }
    body = eventually(lambda: (body := server.progress(progress_id))["status"] == "cancelled" and body)
    assert body["message"] == "Stopped; nothing was stored"
    assert server.http.get("/api/knowledge-items", params={"search": "held.md"}).json()["total"] == 0
    refused = client.socket.call("crawl_stop", {"progress_id": progress_id})
    assert refused["error"] == "No active task for given progress_id"
    client.close()


@pytest.mark.parametrize(
    "options", [{}, {"auth": {"token": "wrong"}}, {"auth": "s3cret"}, {"headers": {"Authorization": "Bearer x"}}]
)
def test_without_the_token_a_client_cannot_connect(closed: ServerProcess, options: dict[str, Any]) -> None:
    with pytest.raises(SocketIoError, match="namespaces failed to connect"):
        Client(closed, **options)


@pytest.mark.parametrize("options", [{"auth": {"token": "s3cret"}}, {"headers": {"Authorization": "Bearer s3cret"}}])
def test_with_the_token_a_client_can_connect(closed: ServerProcess, options: dict[str, Any]) -> None:
    client = Client(closed, **options)
    client.socket.emit("crawl_subscribe", {"progress_id": "x"})
    eventually(client.progress)
    client.close()


def test_a_page_of_another_origin_cannot_connect(server: ServerProcess) -> None:
    reply = server.http.get("/socket.io/?EIO=4&transport=polling", headers={"origin": "http://elsewhere.example"})
    assert reply.status_code == 400
    assert "access-control-allow-origin" not in reply.headers


def test_a_waiting_client_does_not_delay_the_end(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path).ready()
    client = Client(server)
    server.process.terminate()
    # Without the end of the server, a ping would answer the waiting request only after 25 s.
    assert server.process.wait(20) == 0
    client.close()
    server.close()


def wait_for_event(server: ServerProcess, session: str) -> None:
    # The server may end without an answer.
    with suppress(httpx.HTTPError):
        server.http.get(session, timeout=60)


def test_a_client_that_was_refused_does_not_delay_the_end(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, api_token="s3cret").ready()
    polling = "/socket.io/?EIO=4&transport=polling"
    connection = server.http.get(polling).text.removeprefix("0")
    session = f"{polling}&sid={json.loads(connection)['sid']}"
    assert server.http.post(session, content="40").text == "OK"
    assert server.http.get(session).text.startswith("44")
    waiting = threading.Thread(target=wait_for_event, args=(server, session))
    waiting.start()
    server.process.terminate()
    assert server.process.wait(20) == 0
    waiting.join()
    server.close()
