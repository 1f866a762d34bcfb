"""The routes of the settings that people change while the server runs. All values are strings."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from .errors import NotFound
from .preferences import ENCRYPTED, Preferences
from .storage import Credential

_Text = Annotated[str, Field(max_length=10_000)]
_About = Annotated[str, Field(max_length=500)] | None

_ARCHON_DEFAULTS = {"DISCONNECT_SCREEN_ENABLED": "true", "PROJECTS_ENABLED": "false", "LOGFIRE_ENABLED": "false"}
"""Features of Archon's page that are asked for by name and answered although nobody saved them."""


class New(BaseModel):
    key: Annotated[str, Field(max_length=200)]
    value: _Text
    is_encrypted: bool = False
    category: _About = None
    description: _About = None


class Change(BaseModel):
    """What is left out stays as it is."""

    value: _Text
    is_encrypted: bool | None = None
    category: _About = None
    description: _About = None


class Keys(BaseModel):
    keys: Annotated[list[str], Field(max_length=100)]


def router(preferences: Preferences, changed: Callable[[], None]) -> APIRouter:
    """`changed` is called after every change."""
    api = APIRouter(prefix="/api/credentials", tags=["settings"])

    def saved(credential: Credential) -> dict[str, Any]:
        kept = preferences.save(credential)
        changed()
        how = "encrypted and saved" if kept.is_encrypted else "saved"
        return {"success": True, "message": f"Credential {kept.key} {how} successfully"}

    @api.get("")
    def credentials(category: str | None = None) -> list[dict[str, Any]]:
        return [_row(each) for each in preferences.all() if category in (None, each.category)]

    @api.get("/categories/{category}")
    def of_category(category: str) -> dict[str, Any]:
        found = [each for each in preferences.all() if each.category == category]
        return {"credentials": {each.key: _in_category(each) for each in found}}

    @api.post("/initialize")
    def initialize() -> dict[str, Any]:
        """Archon reads its settings anew here; this server does so at every request."""
        return {"success": True, "message": "Credentials reloaded from database"}

    @api.post("/status-check")
    def status_check(request: Keys) -> dict[str, Any]:
        """Unlike Archon's, this tells no secret: only whether there is one."""
        found = {each.key: each for each in preferences.all()}
        return {key: _status(key, found.get(key)) for key in request.keys}

    @api.get("/{key}")
    def credential(key: str) -> dict[str, Any]:
        found = preferences.get(key)
        if found is None and key in _ARCHON_DEFAULTS:
            about = f"Default value for {key}"
            value = _ARCHON_DEFAULTS[key]
            return {"key": key, "value": value, "is_default": True, "category": "features", "description": about}
        if found is None:
            raise NotFound(f"Credential {key} not found")
        if not found.is_encrypted:
            return {"key": key, "value": found.value, "is_encrypted": False}
        about = {"category": found.category, "description": found.description}
        return {"key": key, "value": ENCRYPTED, "is_encrypted": True, **about, "has_value": bool(found.value)}

    @api.post("")
    def save(request: New) -> dict[str, Any]:
        return saved(Credential(**request.model_dump()))

    @api.put("/{key}")
    def change(key: str, request: Change) -> dict[str, Any]:
        before = preferences.get(key) or Credential(key, "")
        given = request.model_dump(exclude_none=True)
        return saved(Credential(**vars(before) | given))

    @api.delete("/{key}")
    def delete(key: str) -> dict[str, Any]:
        if not preferences.delete(key):
            raise NotFound(f"Credential {key} not found")
        return {"success": True, "message": f"Credential {key} deleted successfully"}

    return api


def _row(credential: Credential) -> dict[str, Any]:
    value = ENCRYPTED if credential.is_encrypted else credential.value
    return vars(credential) | {"value": value, "encrypted_value": None}


def _in_category(credential: Credential) -> str | dict[str, Any]:
    if not credential.is_encrypted:
        return credential.value
    return {"value": ENCRYPTED, "is_encrypted": True, "description": credential.description}


def _status(key: str, credential: Credential | None) -> dict[str, Any]:
    value = credential.value if credential and not credential.is_encrypted else None
    return {"key": key, "value": value, "has_value": bool(credential and credential.value)}
