import json
from pathlib import Path

import pytest

from archon_server.settings import CrawlLimits, Model, Settings, SettingsError

QWEN = {"name": "qwen", "repo": "Qwen/Qwen3-Reranker-0.6B", "revision": "e61197ed45024b0ed8a2d74b80b4d909f1255473"}
DEMO = {"name": "demo", "repo": "local/demo", "revision": "0" * 40}


def test_without_environment_variables_the_server_has_no_models() -> None:
    settings = Settings.from_environment({"ARCHON_MODELS": "", "ARCHON_ACTIVE_MODEL": "", "ARCHON_API_TOKEN": ""})
    assert settings == Settings(data_dir=Path("/data"), hub_dir=Path("/root/.cache/huggingface/hub"))
    assert (settings.port, settings.drain_seconds, settings.max_upload_bytes) == (8181, 3.0, 104857600)


def test_all_variables_are_read() -> None:
    settings = Settings.from_environment(
        {
            "PORT": "80",
            "ARCHON_DATA_DIR": "/d",
            "HF_HOME": "/h",
            "ARCHON_MODELS": json.dumps([QWEN, DEMO | {"variant": "bfloat16"}]),
            "ARCHON_ACTIVE_MODEL": "demo",
            "ARCHON_RELEASE": "r",
            "ARCHON_ENVIRONMENT_KEY": "k",
            "ARCHON_SERVICE": "s",
            "ARCHON_API_TOKEN": "t",
            "ARCHON_DRAIN_SECONDS": "0.5",
            "ARCHON_MAX_UPLOAD_BYTES": "10",
            "ARCHON_RERANK_SECONDS": "2.5",
            "ARCHON_MODEL_MEMORY_BYTES": "7",
            "ARCHON_LOG_LEVEL": "debug",
            "ARCHON_PAGE_DIR": "/w",
        }
    )
    models = (Model(**QWEN), Model(**DEMO, variant="bfloat16"))
    assert settings == Settings(
        Path("/d"),
        Path("/h/hub"),
        80,
        models,
        models[1],
        "r",
        "k",
        "s",
        "t",
        0.5,
        10,
        2.5,
        7,
        log_level="DEBUG",
        page_dir=Path("/w"),
    )


def test_without_a_choice_the_first_model_is_active() -> None:
    settings = Settings.from_environment({"ARCHON_MODELS": json.dumps([QWEN, DEMO])})
    assert settings.active_model == Model(**QWEN)


def test_all_problems_are_reported_at_once_with_what_is_allowed() -> None:
    environment = {
        "PORT": "http",
        "ARCHON_DRAIN_SECONDS": "nan",
        "ARCHON_MAX_UPLOAD_BYTES": "0",
        "ARCHON_RERANK_SECONDS": "0",
        "ARCHON_MODEL_MEMORY_BYTES": "-1",
        "ARCHON_LOG_LEVEL": "loud",
        "ARCHON_MODELS": json.dumps(
            [DEMO, DEMO | {"revision": "main"}, {"name": "x"}, DEMO | {"repo": 5}, DEMO | {"variant": "int3"}]
        ),
        "ARCHON_ACTIVE_MODEL": "qwen",
    }
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    heading, *problems = str(caught.value).split("\n  - ")
    assert heading == "the environment variables have problems:"
    assert problems == [
        "ARCHON_MODELS[1].revision: got 'main', expected text that matches [0-9a-f]{40}",
        "ARCHON_MODELS[2]: got {'name': 'x'}, expected an object with exactly name, repo, revision "
        "and at most variant beside them",
        "ARCHON_MODELS[3].repo: got 5, expected text that matches [\\w.-]+/[\\w.-]+",
        "ARCHON_MODELS[4].variant: got 'int3', expected text that matches auto|float32|bfloat16|int8",
        "PORT: got 'http', expected a whole number from 1 to 65535",
        "ARCHON_ACTIVE_MODEL: got 'qwen', expected one of demo",
        "ARCHON_DRAIN_SECONDS: got 'nan', expected a number from 0 to 3600",
        "ARCHON_MAX_UPLOAD_BYTES: got '0', expected a whole number from 1 to 1099511627776",
        "ARCHON_RERANK_SECONDS: got '0', expected a number from 0.1 to 600",
        "ARCHON_MODEL_MEMORY_BYTES: got '-1', expected a whole number from 0 to 1125899906842624",
        "ARCHON_LOG_LEVEL: got 'loud', expected one of DEBUG, INFO, WARNING, ERROR",
    ]


@pytest.mark.parametrize("models", ["{", "{}", "5", "null"])
def test_models_must_be_a_list(models: str) -> None:
    with pytest.raises(SettingsError, match=r"ARCHON_MODELS: got .* expected a JSON list"):
        Settings.from_environment({"ARCHON_MODELS": models})


def test_a_name_used_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="the name 'demo' is used 2 times"):
        Settings.from_environment({"ARCHON_MODELS": json.dumps([DEMO, DEMO])})


def test_limits_of_crawls_are_read() -> None:
    settings = Settings.from_environment(
        {"ARCHON_CRAWL_ALLOW": "10.0.0.0/8, fd00::/8,127.0.0.1", "ARCHON_CRAWL_MAX_PAGES": "3"}
    )
    assert [str(network) for network in settings.crawl.allowed] == ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"]
    assert settings.crawl.max_pages == 3
    assert Settings.from_environment({}).crawl == CrawlLimits()


def test_the_browser_must_be_executable(tmp_path: Path) -> None:
    no_program = tmp_path / "text"
    no_program.touch(mode=0o644)
    assert Settings.from_environment({"ARCHON_BROWSER": "/bin/sh"}).browser == Path("/bin/sh")
    assert Settings.from_environment({"ARCHON_BROWSER": ""}).browser is None
    for path in ("/no/such/browser", str(no_program)):
        with pytest.raises(SettingsError, match=f"ARCHON_BROWSER: got '{path}', expected a program"):
            Settings.from_environment({"ARCHON_BROWSER": path})


def test_an_invalid_network_is_refused_with_examples() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {"ARCHON_CRAWL_ALLOW": "10.0.0.0/8,localhost,10.0.0.1/8", "ARCHON_CRAWL_MAX_PAGES": "0"}
        )
    _, *problems = str(caught.value).split("\n  - ")
    assert problems == [
        "ARCHON_CRAWL_MAX_PAGES: got '0', expected a whole number from 1 to 10000",
        "ARCHON_CRAWL_ALLOW: got 'localhost', expected networks like 10.0.0.0/8, 127.0.0.1, fd00::/8",
        "ARCHON_CRAWL_ALLOW: got '10.0.0.1/8', expected networks like 10.0.0.0/8, 127.0.0.1, fd00::/8",
    ]
