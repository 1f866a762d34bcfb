"""Settings that people change while the server runs, as a client sees them and as they are on the disk."""

from collections.abc import Callable
from typing import Any

import pytest

from archon_server.errors import StorageError
from archon_server.settings import Model
from archon_server.settings.runtime_settings import CHOSEN_MODEL_KEY, DEFAULTS, RuntimeSettings
from archon_server.settings.vault import KEY_FILE, Vault
from archon_server.storage import Credential
from archon_server.storage.sqlite import SqliteStorage
from tests.conftest import Api, eventually
from tests.fakes import MODEL, WordReranker

SECRET = "sk-otter-1234567890"


def test_without_changes_the_defaults_are_in_effect(api: Api) -> None:
    assert api.http.get("/api/credentials/categories/rag_strategy").json() == {
        "credentials": {
            "USE_RERANKING": "true",
            "FUSE_RERANKING": "false",
            "USE_HYBRID_SEARCH": "true",
            "RERANKING_MODEL": "",
            "LLM_BASE_URL": "",
            "EMBEDDING_MODEL": "",
        }
    }
    rows = api.http.get("/api/credentials").json()
    assert [row["key"] for row in rows] == sorted(each.key for each in DEFAULTS)
    assert rows[-1] == {
        "key": "USE_RERANKING",
        "value": "true",
        "encrypted_value": None,
        "is_encrypted": False,
        "category": "rag_strategy",
        "description": "Rerank what retrieval finds",
    }


def test_a_setting_is_saved_read_changed_and_deleted(api: Api) -> None:
    new = {"key": "THEME", "value": "dark", "category": "page", "description": "Colours"}
    saved = {"success": True, "message": "Credential THEME saved successfully"}
    assert api.http.post("/api/credentials", json=new).json() == saved
    assert api.http.get("/api/credentials/THEME").json() == {"key": "THEME", "value": "dark", "is_encrypted": False}
    assert api.http.put("/api/credentials/THEME", json={"value": "light"}).json() == saved
    [row] = api.http.get("/api/credentials", params={"category": "page"}).json()
    assert (row["value"], row["description"]) == ("light", "Colours")
    gone = {"success": True, "message": "Credential THEME deleted successfully"}
    assert api.http.delete("/api/credentials/THEME").json() == gone
    for method in ("GET", "DELETE"):
        reply = api.http.request(method, "/api/credentials/THEME")
        assert (reply.status_code, reply.json()) == (404, {"detail": {"error": "Credential THEME not found"}})


def test_settings_survive_a_restart(serve: Callable[..., Any]) -> None:
    with serve() as api:
        api.http.put("/api/credentials/USE_RERANKING", json={"value": "False"})
    with serve() as api:
        assert api.http.get("/api/credentials/USE_RERANKING").json()["value"] == "false"
        api.http.delete("/api/credentials/USE_RERANKING")
        assert api.http.get("/api/credentials/USE_RERANKING").json()["value"] == "true"


@pytest.mark.parametrize(
    "new",
    [
        {"key": "OPENAI_API_KEY", "value": SECRET},
        {"key": "whatever", "value": SECRET, "is_encrypted": True, "category": "keys", "description": "d"},
    ],
)
def test_a_secret_is_neither_shown_nor_on_the_disk(api: Api, settings: Any, new: dict[str, Any]) -> None:
    key = new["key"]
    reply = api.http.post("/api/credentials", json=new)
    assert reply.json()["message"] == f"Credential {key} encrypted and saved successfully"
    about = {"category": new.get("category"), "description": new.get("description")}
    assert api.http.get(f"/api/credentials/{key}").json() == {
        "key": key,
        "value": "[ENCRYPTED]",
        "is_encrypted": True,
        "has_value": True,
        **about,
    }
    check = api.http.post("/api/credentials/status-check", json={"keys": [key, "USE_RERANKING", "nope"]}).json()
    assert check == {
        key: {"key": key, "value": None, "has_value": True},
        "USE_RERANKING": {"key": "USE_RERANKING", "value": "true", "has_value": True},
        "nope": {"key": "nope", "value": None, "has_value": False},
    }
    for path in ("/api/credentials", "/api/credentials/categories/keys"):
        reply = api.http.get(path)
        assert SECRET not in reply.text
    if new.get("category"):
        listed = api.http.get("/api/credentials/categories/keys").json()["credentials"][key]
        assert listed == {"value": "[ENCRYPTED]", "is_encrypted": True, "description": "d"}
    for path in settings.data_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()
    assert (settings.data_dir / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_the_text_shown_instead_of_a_secret_does_not_replace_it(api: Api, settings: Any) -> None:
    api.http.post("/api/credentials", json={"key": "OPENAI_API_KEY", "value": SECRET})
    reply = api.http.put("/api/credentials/OPENAI_API_KEY", json={"value": "[ENCRYPTED]"})
    assert reply.status_code == 422
    assert "is only shown instead of the saved secret" in reply.json()["detail"]["error"]
    storage = SqliteStorage(settings.data_dir / "archon.db")
    assert RuntimeSettings(storage, Vault(settings.data_dir), ()).effective().openai_api_key == SECRET
    storage.close()


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("USE_RERANKING", "perhaps", 'expected "true" or "false"'),
        ("USE_HYBRID_SEARCH", "", 'expected "true" or "false"'),
        ("RERANKING_MODEL", "Org/Nope", "expected empty or a model of this release: 'words'"),
        ("LLM_BASE_URL", "localhost:11434", "expected an address like http://host:11434/v1"),
        ("LLM_BASE_URL", "http://[", "expected an address like http://host:11434/v1"),
        ("a b", "x", "expected up to 100 letters, digits"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(api: Api, key: str, value: str, allowed: str) -> None:
    before = api.http.get("/api/credentials").json()
    reply = api.http.post("/api/credentials", json={"key": key, "value": value})
    assert reply.status_code == 422
    assert allowed in reply.json()["detail"]["error"]
    assert api.http.get("/api/credentials").json() == before


def test_a_value_must_be_text(api: Api) -> None:
    assert api.http.post("/api/credentials", json={"key": "USE_RERANKING", "value": True}).status_code == 422


def test_features_of_archons_page_have_defaults(api: Api) -> None:
    assert api.http.get("/api/credentials/PROJECTS_ENABLED").json() == {
        "key": "PROJECTS_ENABLED",
        "value": "false",
        "is_default": True,
        "category": "features",
        "description": "Default value for PROJECTS_ENABLED",
    }
    assert api.http.post("/api/credentials/initialize").json()["success"] is True


def test_reranking_is_switched_off_and_on_without_a_restart(api: Api) -> None:
    api.upload("otters")
    for value, applied in (("false", False), ("true", True)):
        api.http.put("/api/credentials/USE_RERANKING", json={"value": value})
        body = api.search("otter")
        assert (body["reranking_enabled"], body["reranking_applied"], body["reranking_error"]) == (
            applied,
            applied,
            None,
        )
        assert ("rerank_score" in body["results"][0]) is applied


def test_retrieval_can_be_given_as_much_weight_as_the_model(api: Api) -> None:
    # Retrieval prefers the passage with the rare word, the reranker the one with more of the words.
    common = "".join(f"# {word} {n}\n\n{word} and more\n\n" for word in ("kelp", "fish") for n in range(20))
    api.upload(f"# A\n\nan otter\n\n# B\n\nkelp with fish\n\n{common}")

    def first() -> str:
        body = api.search("otter kelp fish")
        assert body["reranking_applied"] is True
        assert "rerank_score" in body["results"][0]
        return body["results"][0]["metadata"]["headers"]

    assert first() == "B"
    api.http.put("/api/credentials/FUSE_RERANKING", json={"value": "true"})
    assert first() == "A"


@pytest.mark.parametrize("called", [MODEL.name, MODEL.repo])
def test_the_setting_accepts_a_models_name_or_repository(api: Api, called: str) -> None:
    api.upload("otters")
    api.http.put("/api/credentials/RERANKING_MODEL", json={"value": called})
    assert api.http.get("/api/credentials/RERANKING_MODEL").json()["value"] == MODEL.name
    assert api.search("otter")["model"] == MODEL.name


def test_the_setting_and_the_route_that_activates_make_the_same_choice(serve: Callable[..., Any]) -> None:
    other = Model("other", "tests/other", "1" * 40)
    with serve(lambda _: WordReranker(), models=(MODEL, other)) as api:
        api.upload("otters")
        eventually(lambda: api.http.get("/health").status_code == 200)
        api.http.put("/api/credentials/RERANKING_MODEL", json={"value": "other"})
        eventually(lambda: api.search("otter")["model"] == "other")
        api.http.post("/api/models/activate", json={"name": MODEL.name})
        eventually(lambda: api.http.get("/api/credentials/RERANKING_MODEL").json()["value"] == MODEL.name)
        api.http.put("/api/credentials/RERANKING_MODEL", json={"value": "other"})
        eventually(lambda: api.search("otter")["model"] == "other")
        assert api.http.delete("/api/credentials/RERANKING_MODEL").status_code == 200
        eventually(lambda: api.search("otter")["model"] == MODEL.name)


def test_a_chosen_model_of_another_release_is_reported(serve: Callable[..., Any], settings: Any) -> None:
    storage = SqliteStorage(settings.data_dir / "archon.db")
    storage.save_setting(CHOSEN_MODEL_KEY, "gone")
    storage.close()
    with serve(lambda _: WordReranker()) as api:
        api.upload("otters")
        eventually(lambda: api.search("otter")["reranking_applied"])
        body = eventually(lambda: (body := api.search("otter"))["reranking_notice"] and body)
        assert body["model"] == MODEL.name
        assert "'gone' is not in this release" in body["reranking_notice"]
        assert api.http.get("/api/credentials/RERANKING_MODEL").json()["value"] == "gone"


def test_an_environment_variable_is_in_effect_until_a_value_is_saved(settings: Any) -> None:
    storage = SqliteStorage(settings.data_dir / "archon.db")
    environment = {"EMBEDDING_MODEL": "from-env", "OPENAI_API_KEY": "k", "USE_RERANKING": "false"}
    runtime_settings = RuntimeSettings(storage, Vault(settings.data_dir), (), environment)
    effective = runtime_settings.effective()
    assert (effective.embedding_model, effective.openai_api_key, effective.use_reranking) == ("from-env", "k", True)
    runtime_settings.save(Credential("EMBEDDING_MODEL", "saved"))
    assert runtime_settings.effective().embedding_model == "saved"
    storage.close()


def test_a_secret_without_its_key_is_an_error_that_says_what_to_do(tmp_path: Any) -> None:
    ciphertext = Vault(tmp_path).encrypt("otter")
    assert Vault(tmp_path).decrypt(ciphertext) == "otter"
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(StorageError, match=r"another key than .*secrets\.key; restore that file"):
        Vault(tmp_path).decrypt(ciphertext)
    (tmp_path / KEY_FILE).write_text("no key")
    with pytest.raises(StorageError, match="cannot be used"):
        Vault(tmp_path).decrypt(ciphertext)


def test_a_search_works_without_a_secret_that_cannot_be_read(api: Api, settings: Any) -> None:
    api.upload("otters")
    api.http.post("/api/credentials", json={"key": "OPENAI_API_KEY", "value": SECRET})
    (settings.data_dir / KEY_FILE).unlink()
    assert api.search("otter")["total_found"] == 1
