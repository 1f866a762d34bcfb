"""Several models in one server: switching, naming one in a search, and the memory that they may take."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from archon_server.errors import StorageError
from archon_server.reranking import active_model, managed_model
from archon_server.settings import Model, Settings
from archon_server.storage.sqlite import SqliteStorage
from tests.conftest import Api, eventually
from tests.fakes import MODEL, OTHER, THIRD, FakeLoader, WordReranker, write_snapshot

WEIGHTS = 4000
"""The size of each model by its snapshot, in bytes."""


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active_model, "POLL_SECONDS", 0.05)


@pytest.fixture
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that failed is tried again after a moment."""
    monkeypatch.setattr(managed_model, "FIRST_RETRY_SECONDS", 0.05)


@pytest.fixture
def long_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test lasts until a model that failed is tried again because of the time."""
    monkeypatch.setattr(managed_model, "FIRST_RETRY_SECONDS", 600.0)


@pytest.fixture
def loader(settings: Settings) -> FakeLoader:
    for model in (MODEL, OTHER, THIRD):
        write_snapshot(settings.hub_dir, model, WEIGHTS // 4)
    return FakeLoader()


@pytest.fixture
def start(serve: Callable[..., Any], loader: FakeLoader) -> Callable[..., Any]:
    """An application with three models, of which MODEL is the release's default."""

    def start(**changes: Any) -> Any:
        return serve(loader.load, **{"models": (MODEL, OTHER, THIRD), "active_model": MODEL, **changes})

    return start


@pytest.fixture
def three(start: Callable[..., Any]) -> Iterator[Api]:
    with start() as api:
        api.upload("otters")
        eventually(lambda: state(api, MODEL.name) == "ready")
        yield api


def listed(api: Api) -> dict[str, Any]:
    return api.http.get("/api/models").json()


def described(api: Api, name: str) -> dict[str, Any]:
    [description] = [each for each in listed(api)["models"] if each["name"] == name]
    return description


def state(api: Api, name: str) -> str:
    return described(api, name)["state"]


def activate(api: Api, name: str) -> dict[str, Any]:
    """Activates `name` and returns the switch once it has ended."""
    reply = api.http.post("/api/models/activate", json={"name": name})
    assert reply.status_code == 202, reply.text
    assert reply.json()["switch"]["to"] == name

    def ended() -> dict[str, Any] | None:
        switch = listed(api)["switch"]
        return switch if switch["state"] != "loading" else None

    return eventually(ended)


def test_the_models_of_the_release_are_listed(three: Api, settings: Settings) -> None:
    three.search("otter")
    body = listed(three)
    first, second, _ = body.pop("models")
    assert first.pop("load_seconds") > 0
    assert first.pop("last_used")
    size = sum(path.stat().st_size for path in (settings.hub_dir / "models--tests--words").rglob("*") if path.is_file())
    assert first == {
        "name": MODEL.name,
        "repo": MODEL.repo,
        "revision": MODEL.revision,
        "variant": "auto",
        "state": "ready",
        "error": None,
        "present": True,
        "loaded": True,
        "active": True,
        "default": True,
        "disk_bytes": size,
        "memory_bytes": 1000,
        "dtype": "words",
    }
    assert (second["state"], second["loaded"], second["active"], second["default"]) == ("present", False, False, False)
    assert (second["memory_bytes"], second["last_used"]) == (WEIGHTS, None)
    memory = body.pop("memory")
    assert 0 < memory["budget_bytes"] < memory["container_bytes"]
    assert memory["used_bytes"] == 1000
    expected = {"active": MODEL.name, "default": MODEL.name, "chosen": None, "notice": None, "switch": None}
    assert body == expected
    (settings.hub_dir / "models--tests--other" / "snapshots" / OTHER.revision / "config.json").unlink()
    assert state(three, OTHER.name) == "absent"


def test_a_switch_checks_the_new_model_beside_the_old_one_then_unloads_the_old_one(
    three: Api, loader: FakeLoader
) -> None:
    with loader.held(OTHER.name):
        assert three.http.post("/api/models/activate", json={"name": OTHER.name}).status_code == 202
        eventually(lambda: state(three, OTHER.name) == "loading")
        found = three.search("otter")
        assert (found["reranking_applied"], found["model"]) == (True, MODEL.name)
        assert listed(three)["switch"]["state"] == "loading"
    eventually(lambda: three.search("otter")["model"] == OTHER.name)
    assert listed(three)["switch"]["state"] == "done"
    assert three.http.get("/health").json()["reranking"]["model"] == OTHER.name
    eventually(lambda: loader.open(MODEL.name) == [])
    assert (len(loader.open(OTHER.name)), state(three, MODEL.name)) == (1, "present")
    assert three.metric('archon_model_switches_total{outcome="done"}') == 1
    assert three.metric('archon_model_memory_bytes{model="words"}') == 0
    assert three.metric('archon_model_memory_bytes{model="other"}') == 1000


def test_a_search_that_waits_while_its_model_is_replaced_is_scored_by_it(three: Api, loader: FakeLoader) -> None:
    answers: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(three.search("otter"))) for _ in range(5)]
    with loader.open(MODEL.name)[0].held():
        for thread in threads:
            thread.start()
        eventually(lambda: three.metric("archon_retrieval_seconds_count") == 5)
        assert activate(three, OTHER.name)["state"] == "done"
        assert len(loader.open(MODEL.name)) == 1
    for thread in threads:
        thread.join()
    assert [(answer["reranking_applied"], answer["model"]) for answer in answers] == [(True, MODEL.name)] * 5
    eventually(lambda: loader.open(MODEL.name) == [])


def test_a_new_model_that_fails_leaves_the_old_one_active_and_the_reason_is_reported(
    three: Api, loader: FakeLoader
) -> None:
    loader.broken[OTHER.name] = RuntimeError("out of memory")
    switch = activate(three, OTHER.name)
    assert (switch["state"], switch["error"]) == ("failed", "RuntimeError: out of memory")
    body = listed(three)
    assert (body["active"], body["chosen"], body["notice"]) == (MODEL.name, None, None)
    assert described(three, OTHER.name)["error"] == "RuntimeError: out of memory"
    assert state(three, OTHER.name) == "failed"
    assert three.search("otter")["model"] == MODEL.name
    assert three.metric('archon_model_switches_total{outcome="failed"}') == 1

    loader.broken.clear()
    assert activate(three, OTHER.name)["state"] == "done"


def test_the_last_of_several_activations_wins(three: Api, loader: FakeLoader) -> None:
    with loader.held(OTHER.name):
        three.http.post("/api/models/activate", json={"name": OTHER.name})
        three.http.post("/api/models/activate", json={"name": MODEL.name})
        three.http.post("/api/models/activate", json={"name": THIRD.name})
    eventually(lambda: listed(three)["switch"]["state"] == "done")
    assert listed(three)["active"] == THIRD.name
    eventually(lambda: loader.open(OTHER.name) == [] and loader.open(MODEL.name) == [])


def test_unknown_models_are_refused_with_the_known_ones(three: Api) -> None:
    reply = three.http.post("/api/models/activate", json={"name": "gpt"})
    expected = "There is no model 'gpt' in this release; choose one of words, other, third"
    assert (reply.status_code, reply.json()["detail"]["error"]) == (404, expected)
    reply = three.http.post("/api/rag/query", json={"query": "otter", "model": "gpt"})
    expected = "model: got 'gpt', expected one of words, other, third"
    assert (reply.status_code, reply.json()["detail"]["error"]) == (422, expected)


def test_a_search_may_name_a_model_which_then_stays_beside_the_active_one(three: Api, loader: FakeLoader) -> None:
    found = three.search("otter", model=OTHER.name)
    assert (found["reranking_applied"], found["model"]) == (True, OTHER.name)
    assert three.search("otter")["model"] == MODEL.name
    assert three.search("otter", model=OTHER.name)["model"] == OTHER.name
    assert (len(loader.loaded[OTHER.name]), state(three, OTHER.name), state(three, MODEL.name)) == (1, "ready", "ready")
    assert described(three, OTHER.name)["last_used"]


def test_a_named_model_that_takes_too_long_to_load_is_reported(start: Callable[..., Any], loader: FakeLoader) -> None:
    with start(rerank_seconds=0.3) as api, loader.held(OTHER.name):
        api.upload("otters")
        eventually(lambda: state(api, MODEL.name) == "ready")
        found = api.search("otter", model=OTHER.name)
        assert (found["reranking_applied"], found["model"], len(found["results"])) == (False, None, 1)
        assert found["reranking_error"] == "The model 'other' is still being loaded; ask again"
        assert api.search("otter")["reranking_applied"] is True
        loader.broken[OTHER.name] = RuntimeError("damaged")
    # The load fails after every search has given up; asyncio must not warn about its exception.


@pytest.mark.usefixtures("long_delay")
def test_a_named_model_that_cannot_be_loaded_is_reported_and_not_retried_at_each_search(
    three: Api, loader: FakeLoader
) -> None:
    loader.broken[OTHER.name] = RuntimeError("damaged")
    for _ in range(3):
        assert three.search("otter", model=OTHER.name)["reranking_error"] == "RuntimeError: damaged"
    assert three.metric('archon_rerank_failures_total{stage="load"}') == 1
    assert three.search("otter")["reranking_applied"] is True


def test_the_least_recently_used_model_is_evicted_but_never_the_active_one(
    start: Callable[..., Any], loader: FakeLoader
) -> None:
    # A loaded model takes 1000 bytes, one that is being loaded 4000. That fits beside one model, not beside two.
    with start(model_memory_bytes=5500) as api:
        api.upload("otters")
        eventually(lambda: state(api, MODEL.name) == "ready")
        assert api.search("otter", model=OTHER.name)["reranking_applied"]
        assert api.search("otter", model=THIRD.name)["reranking_applied"]
        assert [state(api, model.name) for model in (MODEL, OTHER, THIRD)] == ["ready", "present", "ready"]
        assert api.search("otter", model=OTHER.name)["reranking_applied"]
        assert [state(api, model.name) for model in (MODEL, OTHER, THIRD)] == ["ready", "ready", "present"]
        eventually(lambda: [len(loader.open(model.name)) for model in (MODEL, OTHER, THIRD)] == [1, 1, 0])
        assert listed(api)["memory"]["used_bytes"] == 2000


def test_a_model_that_does_not_fit_beside_the_active_one_is_reported(start: Callable[..., Any]) -> None:
    with start(model_memory_bytes=4900) as api:
        api.upload("otters")
        eventually(lambda: state(api, MODEL.name) == "ready")
        error = activate(api, OTHER.name)["error"]
        assert error.startswith("other takes about 4000 bytes in memory beside the 1000 bytes of the loaded models,")
        assert "and models may take 4900 bytes. Give the container more memory" in error
        assert api.search("otter", model=OTHER.name)["reranking_error"] == error
        assert api.search("otter")["model"] == MODEL.name


def test_a_search_that_takes_too_long_comes_back_unranked(start: Callable[..., Any], loader: FakeLoader) -> None:
    with start(rerank_seconds=0.3) as api:
        api.upload("\n\n".join(f"# {n}\n\nAn otter." for n in range(30)))
        eventually(lambda: state(api, MODEL.name) == "ready")
        [reranker] = loader.open(MODEL.name)
        with reranker.held():
            found = api.search("otter", match_count=10)
        assert (found["reranking_applied"], len(found["results"])) == (False, 10)
        assert found["reranking_error"] == "Reranking took longer than the 0.3 s that a search may take"
        assert api.metric('archon_rerank_failures_total{stage="time"}') == 1
        # The scoring stopped after its batch, and the model is not marked as degraded.
        eventually(lambda: sum(query == "otter" for query, _ in reranker.scored) == 1)
        assert api.search("otters")["reranking_applied"] is True
        assert sum(query == "otter" for query, _ in reranker.scored) == 1


def test_the_choice_outlives_the_server(start: Callable[..., Any], loader: FakeLoader) -> None:
    with start() as api:
        assert activate(api, OTHER.name)["state"] == "done"
    loader.loaded.clear()
    with start() as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        body = listed(api)
        assert (body["active"], body["default"], body["chosen"]) == (OTHER.name, MODEL.name, OTHER.name)
        assert list(loader.loaded) == [OTHER.name]
        assert api.http.get("/health/ml").json()["chosen"] == OTHER.name


def test_a_release_without_the_chosen_model_uses_its_default_and_reports_it(start: Callable[..., Any]) -> None:
    with start() as api:
        activate(api, OTHER.name)
    with start(models=(MODEL, THIRD)) as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        assert listed(api)["active"] == MODEL.name
        notice = "The chosen model 'other' is not in this release, so the default model is used"
        assert api.http.get("/health").json()["reranking"]["notice"] == notice
        assert (listed(api)["chosen"], listed(api)["notice"]) == (OTHER.name, notice)
    with start() as api:
        eventually(lambda: listed(api)["active"] == OTHER.name)


@pytest.mark.usefixtures("short_delay")
def test_the_default_is_used_until_the_chosen_model_works(start: Callable[..., Any], loader: FakeLoader) -> None:
    with start() as api:
        activate(api, OTHER.name)
    loader.broken[OTHER.name] = RuntimeError("damaged")
    with start() as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        assert listed(api)["active"] == MODEL.name
        assert listed(api)["notice"] == "The chosen model 'other' is not in use yet: RuntimeError: damaged"
        loader.broken.clear()
        eventually(lambda: listed(api)["active"] == OTHER.name)
        assert listed(api)["notice"] is None
        eventually(lambda: loader.open(MODEL.name) == [])


@pytest.mark.usefixtures("short_delay")
def test_an_active_model_that_cannot_recover_is_replaced_by_the_default(
    start: Callable[..., Any], loader: FakeLoader
) -> None:
    with start() as api:
        api.upload("otters")
        activate(api, OTHER.name)
        [reranker] = loader.open(OTHER.name)
        reranker.broken = loader.broken[OTHER.name] = RuntimeError("rotten")
        assert api.search("otter")["reranking_error"] == "RuntimeError: rotten"
        eventually(lambda: api.search("otter")["model"] == MODEL.name)
        assert "RuntimeError: rotten" in api.http.get("/health").json()["reranking"]["notice"]
        loader.broken.clear()
        eventually(lambda: api.search("otter")["model"] == OTHER.name)


@pytest.mark.usefixtures("long_delay")
def test_a_model_that_appears_is_used_at_once(
    serve: Callable[..., Any], loader: FakeLoader, settings: Settings
) -> None:
    """It does not wait for the end of the delay between two attempts."""
    folder = settings.hub_dir / "models--tests--words" / "snapshots" / MODEL.revision
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()

    def load(model: Model) -> WordReranker:
        if not (folder / "config.json").exists():
            raise RuntimeError("not there")
        return loader.load(model)

    with serve(load) as api:
        eventually(lambda: api.http.get("/health").json()["status"] == "failed")
        assert api.metric('archon_rerank_failures_total{stage="load"}') == 1
        assert state(api, MODEL.name) == "absent"
        assert described(api, MODEL.name)["error"] == "RuntimeError: not there"
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        eventually(lambda: api.http.get("/health").status_code == 200, 3)


def test_a_damaged_model_that_is_replaced_in_place_is_used_without_a_restart(
    serve: Callable[..., Any], loader: FakeLoader, settings: Settings
) -> None:
    """Even a model that is not retried while its files stay the same."""
    config = settings.hub_dir / "models--tests--words" / "snapshots" / MODEL.revision / "config.json"

    def load(model: Model) -> WordReranker:
        reranker = loader.load(model)
        if "good" not in json.loads(config.read_text()):
            reranker.score = lambda _, passages: [0.5] * len(passages)
        return reranker

    with serve(load) as api:
        eventually(lambda: api.http.get("/health").json()["status"] == "failed")
        assert "does not put known passages first" in api.http.get("/health").json()["message"]
        repaired = config.with_name("repaired")
        repaired.write_text('{"dtype": "float32", "good": true}')
        repaired.replace(config)
        eventually(lambda: api.http.get("/health").status_code == 200, 5)
        assert len(loader.open(MODEL.name)) == 1


@pytest.mark.usefixtures("short_delay")
def test_a_container_that_restarts_without_its_model_answers_unranked_and_a_new_one_is_not_ready(
    start: Callable[..., Any], loader: FakeLoader
) -> None:
    with start(release="r1") as api:
        api.upload("otters")
        eventually(lambda: api.http.get("/health").status_code == 200)
    loader.broken[MODEL.name] = RuntimeError("gone")
    with start(release="r1") as api:
        eventually(lambda: api.http.get("/health").status_code == 200)
        reranking = api.http.get("/health").json()["reranking"]
        assert (reranking["status"], reranking["error"]) == ("degraded", "RuntimeError: gone")
        found = api.search("otter")
        assert (found["reranking_applied"], found["reranking_error"]) == (False, "RuntimeError: gone")
        assert api.metric("archon_reranker_ready") == 0
        loader.broken.clear()
        eventually(lambda: api.search("otter")["reranking_applied"])
    loader.broken[MODEL.name] = RuntimeError("gone")
    for changed in ({"release": "r2"}, {"release": "r1", "port": 8182}, {}):
        with start(**changed) as api:
            eventually(lambda api=api: api.http.get("/health").json()["status"] == "failed")


def test_models_work_while_the_database_does_not_answer(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise StorageError("The database did not answer")

    with start(release="r1") as api:
        monkeypatch.setattr(SqliteStorage, "setting", silent)
        monkeypatch.setattr(SqliteStorage, "save_setting", silent)
        eventually(lambda: state(api, MODEL.name) == "ready")
        assert api.http.get("/health").status_code == 200
        switch = activate(api, OTHER.name)
        assert (switch["state"], switch["error"]) == ("failed", "The database did not answer")
        assert listed(api)["active"] == MODEL.name
        monkeypatch.undo()
        assert activate(api, OTHER.name)["state"] == "done"
