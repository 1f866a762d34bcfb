"""Switching models in server processes: under load, and with two servers on one database."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import eventually
from tests.fakes import MODEL, OTHER
from tests.processes import ServerProcess

CLIENTS = 4
SEARCHES = 240


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start(**options: Any) -> ServerProcess:
        started.append(ServerProcess(tmp_path, models=(MODEL, OTHER), **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


def models(server: ServerProcess) -> dict[str, Any]:
    return server.http.get("/api/models").json()


def switch(server: ServerProcess, name: str) -> str:
    """Activates a model and returns the state in which the switch ended."""
    assert server.http.post("/api/models/activate", json={"name": name}).status_code == 202
    eventually(lambda: models(server)["switch"]["state"] != "loading", 30)
    return models(server)["switch"]["state"]


def search_on(url: str, times: int, answers: list[tuple[int, Any]]) -> None:
    with httpx.Client(base_url=url, timeout=30) as http:
        for _ in range(times):
            reply = http.post("/api/rag/query", json={"query": "otter"})
            answers.append((reply.status_code, reply.json().get("model") or reply.json().get("reranking_error")))


def test_no_search_fails_while_models_are_switched_back_and_forth(start: Callable[..., ServerProcess]) -> None:
    server = start(fake={"load_seconds": 0.02, "score_seconds": 0.002}).ready()
    server.ended(server.begin_upload("An otter."))
    answers: list[tuple[int, Any]] = []
    url, times = str(server.http.base_url), SEARCHES // CLIENTS
    clients = [threading.Thread(target=search_on, args=(url, times, answers)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    switches = 0
    while any(client.is_alive() for client in clients):
        assert switch(server, (OTHER, MODEL)[switches % 2].name) == "done"
        switches += 1
    for client in clients:
        client.join()
    assert len(answers) == SEARCHES
    assert {status for status, _ in answers} == {200}
    assert {model for _, model in answers} == {MODEL.name, OTHER.name}
    assert switches >= 3


def test_the_other_servers_of_a_database_follow_a_switch(start: Callable[..., ServerProcess]) -> None:
    one, other = start().ready(), start().ready()
    one.ended(one.begin_upload("An otter."))
    assert switch(one, OTHER.name) == "done"
    eventually(lambda: models(other)["active"] == OTHER.name)
    assert other.search("otter")["model"] == OTHER.name

    assert switch(other, MODEL.name) == "done"
    eventually(lambda: one.search("otter")["model"] == MODEL.name)

    assert switch(one, OTHER.name) == "done"
    one.kill()
    again = start(port=one.port).ready()
    assert (models(again)["active"], models(again)["default"]) == (OTHER.name, MODEL.name)
