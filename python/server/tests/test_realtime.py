"""Progress by Socket.IO, through the real protocol and a real server."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from socketio.exceptions import ConnectionError as SocketIoError
from tests.conftest import eventually
from tests.processes import ServerProcess

LARGE = "".join(f"## Section {n}\n\nAn otter sleeps on its back in the kelp.\n\n" for n in range(3000))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start(**options: Any) -> ServerProcess:
        started.append(ServerProcess(tmp_path, **options))
        return started[-1].ready()

    yield start
    for server in started:
        server.close()


class Client:
    """What a client of Socket.IO is told, in order."""

    def __init__(self, server: ServerProcess, **options: Any) -> None:
        self.events: list[tuple[str, Any]] = []
        self.socket = socketio.Client(reconnection=False)
        for name in ("crawl_subscribe_ack", "crawl_progress", "crawl:stopping"):
            self.socket.on(name, lambda data, name=name: self.events.append((name, data)))
        self.socket.connect(str(server.http.base_url), transports=["polling"], **options)

    def progress(self) -> list[dict[str, Any]]:
        return [data for name, data in self.events if name == "crawl_progress"]


def test_a_subscriber_hears_of_an_upload_until_its_end(start: Callable[..., ServerProcess]) -> None:
    server = start()
    client = Client(server)
    progress_id = server.begin_upload(LARGE)
    client.socket.emit("crawl_subscribe", {"progress_id": progress_id})
    eventually(lambda: client.progress() and client.progress()[-1]["status"] == "completed", 60)
    client.socket.disconnect()

    assert client.events[0] == ("crawl_subscribe_ack", {"progress_id": progress_id, "status": "subscribed"})
    last = client.progress()[-1]
    assert (last["progressId"], last["chunksStored"]) == (progress_id, 3000)
    assert all(body["percentage"] == body["progress"] and body["log"] for body in client.progress())
    percents = [body["percentage"] for body in client.progress()]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_a_late_subscriber_is_told_how_it_ended(start: Callable[..., ServerProcess]) -> None:
    server = start()
    progress_id = server.begin_upload("An otter.")
    server.ended(progress_id)
    client = Client(server)
    client.socket.emit("crawl_subscribe", {"progress_id": progress_id})
    client.socket.emit("crawl_subscribe", {"progress_id": "nope"})
    client.socket.emit("crawl_subscribe", "nonsense")
    eventually(lambda: len(client.progress()) == 3)
    client.socket.disconnect()
    first, second, third = client.progress()
    assert (first["status"], first["percentage"]) == ("completed", 100)
    assert second == {"status": "error", "error": "Operation nope not found", "progressId": "nope"}
    assert third["status"] == "error"


def test_who_has_unsubscribed_hears_no_more(start: Callable[..., ServerProcess]) -> None:
    server = start()
    leaver, stayer = Client(server), Client(server)
    progress_id = server.begin_upload(LARGE)
    for client in (leaver, stayer):
        client.socket.emit("crawl_subscribe", {"progress_id": progress_id})
    eventually(leaver.progress)
    leaver.socket.emit("crawl_unsubscribe", {"progress_id": progress_id})
    eventually(lambda: stayer.progress() and stayer.progress()[-1]["status"] == "completed", 60)
    leaver.socket.disconnect()
    stayer.socket.disconnect()
    assert leaver.progress()[-1]["status"] != "completed"


def test_an_operation_is_stopped_by_its_subscriber(start: Callable[..., ServerProcess]) -> None:
    server = start()
    client = Client(server)
    progress_id = server.begin_upload(LARGE * 5)
    eventually(lambda: server.progress(progress_id)["progress"] >= 11)
    assert client.socket.call("crawl_stop", {"progress_id": progress_id}) == {
        "success": True,
        "progressId": progress_id,
    }
    body = eventually(lambda: (body := server.progress(progress_id))["status"] == "cancelled" and body)
    assert body["message"] == "Stopped; nothing of it was stored"
    assert server.http.get("/api/knowledge-items").json()["total"] == 0
    refused = client.socket.call("crawl_stop", {"progress_id": progress_id})
    assert refused["error"] == "No active task for given progress_id"
    client.socket.disconnect()


@pytest.mark.parametrize(
    "options", [{}, {"auth": {"token": "wrong"}}, {"auth": "s3cret"}, {"headers": {"Authorization": "Bearer x"}}]
)
def test_without_the_token_nobody_is_let_in(start: Callable[..., ServerProcess], options: dict[str, Any]) -> None:
    server = start(api_token="s3cret")
    with pytest.raises(SocketIoError):
        Client(server, **options)


@pytest.mark.parametrize("options", [{"auth": {"token": "s3cret"}}, {"headers": {"Authorization": "Bearer s3cret"}}])
def test_with_the_token_one_is(start: Callable[..., ServerProcess], options: dict[str, Any]) -> None:
    client = Client(start(api_token="s3cret"), **options)
    client.socket.emit("crawl_subscribe", {"progress_id": "x"})
    eventually(client.progress)
    client.socket.disconnect()


def test_a_page_of_another_origin_is_not_let_in(start: Callable[..., ServerProcess]) -> None:
    server = start()
    reply = server.http.get("/socket.io/?EIO=4&transport=polling", headers={"origin": "http://elsewhere.example"})
    assert reply.status_code == 400
    assert "access-control-allow-origin" not in reply.headers


def test_a_waiting_client_does_not_hold_up_the_end(start: Callable[..., ServerProcess]) -> None:
    server = start()
    client = Client(server)
    began = time.monotonic()
    server.process.terminate()
    assert server.process.wait(15) == 0
    # Left alone, the request that waits for news would be answered by a ping only after 25 s.
    assert time.monotonic() - began < 15
    client.socket.disconnect()
