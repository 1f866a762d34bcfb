"""The settings that the server starts with: read once from environment variables, checked as a whole.

Read by hand and not by pydantic-settings: its messages name neither the variable nor what is allowed, it stops at the
first variable that is not JSON, and the processes that parse and crawl would import it, too.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

from .limits import CrawlLimits, Network

VARIANTS = ("auto", "float32", "bfloat16", "int8")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_MEBIBYTE = 1024 * 1024
_Number = TypeVar("_Number", int, float)


class SettingsError(ValueError):
    """All problems of the environment variables, one per line."""


@dataclass(frozen=True)
class Model:
    """A model of the release: `repo` (Org/Name) at the commit `revision` (40 hex digits). People call it `name`.

    `variant` is the precision of its weights in memory, one of VARIANTS; "auto" picks the best one for the device.
    """

    name: str
    repo: str
    revision: str
    variant: str = "auto"


@dataclass(frozen=True)
class Settings:
    """Without `active_model` there is no reranking. With an empty `token`, all who reach the port have access.

    `browser` is the Chromium that runs the scripts of crawled pages; with None their scripts do not run.
    With `require_gpu`, models compute on a GPU or not at all.
    `rerank_seconds` is the time limit of a search's reranking. If `model_memory_bytes` is 0, the container's memory
    limit decides. `mcp_host` and `mcp_port` are what clients are told about Archon's MCP server.
    """

    data_dir: Path
    hub_dir: Path
    port: int = 8181
    models: tuple[Model, ...] = ()
    active_model: Model | None = None
    release: str = ""
    environment_key: str = ""
    service: str = ""
    token: str = ""
    drain_seconds: float = 3.0
    max_upload_bytes: int = 100 * _MEBIBYTE
    rerank_seconds: float = 10.0
    model_memory_bytes: int = 0
    log_level: str = "INFO"
    require_gpu: bool = False
    page_dir: Path = Path("/opt/archon/page")
    crawl: CrawlLimits = field(default_factory=CrawlLimits)
    browser: Path | None = None
    mcp_host: str = "localhost"
    mcp_port: int = 8051

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises SettingsError with all problems at once. An empty variable counts as not set."""
        read = _Reader(environment)
        models = read.models("ARCHON_MODELS")
        settings = cls(
            data_dir=Path(read.text("ARCHON_DATA_DIR", "/data")),
            hub_dir=Path(read.text("HF_HOME", "/root/.cache/huggingface")) / "hub",
            port=read.number("PORT", int, cls.port, minimum=1, maximum=65535),
            models=models,
            active_model=read.active_model("ARCHON_ACTIVE_MODEL", models),
            release=read.text("ARCHON_RELEASE"),
            environment_key=read.text("ARCHON_ENVIRONMENT_KEY"),
            service=read.text("ARCHON_SERVICE"),
            token=read.text("ARCHON_API_TOKEN"),
            drain_seconds=read.number("ARCHON_DRAIN_SECONDS", float, cls.drain_seconds, minimum=0, maximum=3600),
            max_upload_bytes=read.number(
                "ARCHON_MAX_UPLOAD_BYTES", int, cls.max_upload_bytes, minimum=1, maximum=2**40
            ),
            rerank_seconds=read.number("ARCHON_RERANK_SECONDS", float, cls.rerank_seconds, minimum=0.1, maximum=600),
            model_memory_bytes=read.number(
                "ARCHON_MODEL_MEMORY_BYTES", int, cls.model_memory_bytes, minimum=0, maximum=2**50
            ),
            log_level=read.choice("ARCHON_LOG_LEVEL", LOG_LEVELS, cls.log_level),
            require_gpu=read.choice("ARCHON_DEVICE", ("AUTO", "CUDA"), "AUTO") == "CUDA",
            page_dir=Path(read.text("ARCHON_PAGE_DIR", str(cls.page_dir))),
            crawl=CrawlLimits(
                max_pages=read.number("ARCHON_CRAWL_MAX_PAGES", int, CrawlLimits.max_pages, minimum=1, maximum=10_000),
                allowed=read.networks("ARCHON_CRAWL_ALLOW"),
            ),
            browser=read.program("ARCHON_BROWSER"),
            mcp_host=read.text("ARCHON_HOST", cls.mcp_host),
            mcp_port=read.number("ARCHON_MCP_PORT", int, cls.mcp_port, minimum=1, maximum=65535),
        )
        if read.problems:
            raise SettingsError("\n  - ".join(["the environment variables have problems:", *read.problems]))
        return settings


class _Reader:
    """Reads variables and collects their problems; a bad value is replaced by the default."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self._environment.get(name) or default

    def number(
        self, name: str, kind: type[_Number], default: _Number, *, minimum: _Number, maximum: _Number
    ) -> _Number:
        text = self.text(name)
        if not text:
            return default
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not minimum <= value <= maximum:
            what = "a whole number" if kind is int else "a number"
            self.problems.append(f"{name}: got {text!r}, expected {what} from {minimum} to {maximum}")
            return default
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name, default).upper()
        if value not in allowed:
            self.problems.append(f"{name}: got {self.text(name)!r}, expected one of {', '.join(allowed)}")
            return default
        return value

    def program(self, name: str) -> Path | None:
        text = self.text(name)
        if text and not os.access(text, os.X_OK):
            self.problems.append(f"{name}: got {text!r}, expected a program that this user may run")
        return Path(text) if text else None

    def networks(self, name: str) -> tuple[Network, ...]:
        networks = []
        for text in filter(None, (part.strip() for part in self.text(name).split(","))):
            try:
                networks.append(ip_network(text))
            except ValueError:
                self.problems.append(f"{name}: got {text!r}, expected networks like 10.0.0.0/8, 127.0.0.1, fd00::/8")
        return tuple(networks)

    def models(self, name: str) -> tuple[Model, ...]:
        text = self.text(name, "[]")
        try:
            entries = json.loads(text)
        except ValueError as error:
            entries = error
        if not isinstance(entries, list):
            example = '[{"name": "…", "repo": "Org/Name", "revision": "<40 hex digits>"}]'
            self.problems.append(f"{name}: got {text!r}, expected a JSON list like {example}")
            return ()
        models = [model for index, entry in enumerate(entries) if (model := self._model(f"{name}[{index}]", entry))]
        names = [model.name for model in models]
        for repeated in sorted({n for n in names if names.count(n) > 1}):
            self.problems.append(f"{name}: the name {repeated!r} is used {names.count(repeated)} times, expected once")
        return tuple(models)

    def _model(self, where: str, entry: Any) -> Model | None:
        rules = {"name": r".+", "repo": r"[\w.-]+/[\w.-]+", "revision": r"[0-9a-f]{40}", "variant": "|".join(VARIANTS)}
        if not isinstance(entry, dict) or set(entry) | {"variant"} != set(rules):
            expected = "an object with exactly name, repo, revision and at most variant beside them"
            self.problems.append(f"{where}: got {entry!r}, expected {expected}")
            return None
        bad = [key for key in entry if not _matches(rules[key], entry[key])]
        for key in bad:
            self.problems.append(f"{where}.{key}: got {entry[key]!r}, expected text that matches {rules[key]}")
        return None if bad else Model(**entry)

    def active_model(self, name: str, models: tuple[Model, ...]) -> Model | None:
        requested = self.text(name)
        if not requested:
            return models[0] if models else None
        for model in models:
            if model.name == requested:
                return model
        allowed = ", ".join(model.name for model in models) or "nothing, as ARCHON_MODELS is empty"
        self.problems.append(f"{name}: got {requested!r}, expected one of {allowed}")
        return None


def _matches(rule: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(rule, value) is not None
