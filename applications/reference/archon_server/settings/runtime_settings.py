"""The settings that people change while the server runs: what is saved, what is allowed, what is in effect."""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ..errors import Invalid, StorageError
from ..storage import Credential, Storage
from .environment import Model
from .vault import Vault

CHOSEN_MODEL_KEY = "active_model"
"""Key under which the storage keeps the name of the model chosen over the release's default."""

RAG_STRATEGY = "rag_strategy"
RERANKING_MODEL = "RERANKING_MODEL"
ENCRYPTED = "[ENCRYPTED]"
"""Shown instead of a secret."""

DEFAULTS = (
    Credential("USE_RERANKING", "true", False, RAG_STRATEGY, "Rerank what retrieval finds"),
    Credential("FUSE_RERANKING", "false", False, RAG_STRATEGY, "Let retrieval's order count as much as the reranker's"),
    Credential("USE_HYBRID_SEARCH", "true", False, RAG_STRATEGY, "With vectors, search by words as well"),
    Credential(
        RERANKING_MODEL, "", False, RAG_STRATEGY, "Name of the model that reranks; empty means the release's default"
    ),
    Credential(
        "LLM_BASE_URL", "", False, RAG_STRATEGY, "Base URL of an OpenAI-compatible API, like http://host:11434/v1"
    ),
    Credential("EMBEDDING_MODEL", "", False, RAG_STRATEGY, "Its embedding model; empty means no vectors"),
)
"""The settings that this server uses. Clients may save their own settings as well."""

log = logging.getLogger(__name__)

_FLAGS = {"USE_RERANKING", "FUSE_RERANKING", "USE_HYBRID_SEARCH"}
_FROM_ENVIRONMENT = ("LLM_BASE_URL", "EMBEDDING_MODEL", "OPENAI_API_KEY")
_SECRET = re.compile(r"(API_KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class EffectiveSettings:
    """The values in effect: saved, else from an environment variable, else the default. Secrets are decrypted."""

    use_reranking: bool
    fuse_reranking: bool
    use_hybrid_search: bool
    llm_base_url: str
    embedding_model: str
    openai_api_key: str


class RuntimeSettings:
    """Reads the storage at every call, so that all servers of a database agree and a change takes effect at once."""

    def __init__(
        self, storage: Storage, vault: Vault, models: tuple[Model, ...], environment: Mapping[str, str] = os.environ
    ) -> None:
        self._storage = storage
        self._vault = vault
        self._models = models
        self._environment = {name: environment.get(name, "") for name in _FROM_ENVIRONMENT}

    def all(self) -> list[Credential]:
        """The saved settings, and the defaults of the others, by key. The value of an encrypted one is ciphertext."""
        saved = {each.key: each for each in self._storage.credentials()}
        known = {each.key: each for each in DEFAULTS}
        # The same choice that the route which activates a model makes.
        known[RERANKING_MODEL] = replace(known[RERANKING_MODEL], value=self._storage.setting(CHOSEN_MODEL_KEY) or "")
        return [saved.get(key) or known[key] for key in sorted(saved.keys() | known.keys())]

    def get(self, key: str) -> Credential | None:
        return next((each for each in self.all() if each.key == key), None)

    def save(self, credential: Credential) -> Credential:
        """Raises Invalid with what is allowed. A key that ends with API_KEY, TOKEN or the like is always encrypted."""
        checked = self._checked(credential)
        if checked.key == RERANKING_MODEL:
            # All servers of this database look for it every second.
            self._storage.save_setting(CHOSEN_MODEL_KEY, checked.value or None)
            return checked
        if checked.is_encrypted or _SECRET.search(checked.key):
            checked = replace(checked, value=self._vault.encrypt(checked.value), is_encrypted=True)
        self._storage.save_credential(checked)
        return checked

    def delete(self, key: str) -> bool:
        """False if it was not saved. One of DEFAULTS gets its default again."""
        if key == RERANKING_MODEL:
            chosen = self._storage.setting(CHOSEN_MODEL_KEY) is not None
            self._storage.save_setting(CHOSEN_MODEL_KEY, None)
            return chosen
        return self._storage.delete_credential(key)

    def effective(self) -> EffectiveSettings:
        values = {each.key: each for each in self._storage.credentials()}

        def text(key: str, default: str = "") -> str:
            saved = values.get(key)
            if saved is None or not saved.value:
                return self._environment.get(key) or default
            return self._readable(saved)

        return EffectiveSettings(
            use_reranking=text("USE_RERANKING", "true") == "true",
            fuse_reranking=text("FUSE_RERANKING", "false") == "true",
            use_hybrid_search=text("USE_HYBRID_SEARCH", "true") == "true",
            llm_base_url=text("LLM_BASE_URL"),
            embedding_model=text("EMBEDDING_MODEL"),
            openai_api_key=text("OPENAI_API_KEY"),
        )

    def _readable(self, saved: Credential) -> str:
        if not saved.is_encrypted:
            return saved.value
        try:
            return self._vault.decrypt(saved.value)
        except StorageError as error:
            # Searches must still work; what needs the secret will report that it is missing.
            log.warning("%s cannot be read: %s", saved.key, error)
            return ""

    def _checked(self, credential: Credential) -> Credential:
        key, value = credential.key, credential.value
        if not _KEY.fullmatch(key):
            raise Invalid(f"key: got {key[:200]!r}, expected up to 100 letters, digits, '_', '.' or '-'")
        if value == ENCRYPTED:
            raise Invalid(f"{key}: {ENCRYPTED} is only shown instead of the saved secret; send the secret itself")
        if key in _FLAGS:
            if value.lower() not in ("true", "false"):
                raise Invalid(f'{key}: got {value[:200]!r}, expected "true" or "false"')
            value = value.lower()
        elif key == "LLM_BASE_URL" and value:
            _check_url(key, value)
        elif key == RERANKING_MODEL and value:
            value = self._model_name(key, value)
        known = next((each for each in DEFAULTS if each.key == key), None)
        if known:
            # Its category and encryption are fixed: with others the server would no longer find it.
            return replace(known, value=value)
        return replace(credential, value=value)

    def _model_name(self, key: str, value: str) -> str:
        """A model may also be called by its repository, as Archon does."""
        for model in self._models:
            if value in (model.name, model.repo):
                return model.name
        allowed = ", ".join(repr(model.name) for model in self._models) or "none, as the release has no model"
        raise Invalid(f"{key}: got {value[:200]!r}, expected empty or a model of this release: {allowed}")


def _check_url(key: str, value: str) -> None:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise Invalid(f"{key}: got {value[:200]!r}, expected an address like http://host:11434/v1")
