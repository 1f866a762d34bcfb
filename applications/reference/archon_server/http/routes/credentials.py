"""The routes of the settings that people change while the server runs. All values are strings."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ...errors import NotFound
from ...settings.runtime_settings import ENCRYPTED, RuntimeSettings
from ...storage import Credential
from .. import schemas

_Value = Annotated[str, Field(max_length=10_000)]
_Note = Annotated[str, Field(max_length=500)] | None

_ARCHON_DEFAULTS = {"DISCONNECT_SCREEN_ENABLED": "true", "PROJECTS_ENABLED": "false", "LOGFIRE_ENABLED": "false"}
"""Features of Archon's page. It asks for them by name and expects an answer even if nobody saved them."""


class NewCredential(BaseModel):
    key: Annotated[str, Field(max_length=200)]
    value: _Value
    is_encrypted: bool = False
    category: _Note = None
    description: _Note = None


class CredentialChange(BaseModel):
    """A field that is left out stays as it is."""

    value: _Value
    is_encrypted: bool | None = None
    category: _Note = None
    description: _Note = None


class Keys(BaseModel):
    keys: Annotated[list[str], Field(max_length=100)]


def router(runtime_settings: RuntimeSettings, on_change: Callable[[], None]) -> APIRouter:
    """`on_change` is called after a setting was saved."""
    api = APIRouter(prefix="/api/credentials", tags=["settings"])

    def save_and_report(credential: Credential) -> schemas.Done:
        saved = runtime_settings.save(credential)
        on_change()
        how = "encrypted and saved" if saved.is_encrypted else "saved"
        return schemas.Done(success=True, message=f"Credential {saved.key} {how} successfully")

    @api.get("")
    def credentials(category: str | None = None) -> list[schemas.CredentialRow]:
        return [_row(each) for each in runtime_settings.all() if category in (None, each.category)]

    @api.get("/categories/{category}")
    def of_category(category: str) -> schemas.CategoryCredentials:
        found = [each for each in runtime_settings.all() if each.category == category]
        return schemas.CategoryCredentials(credentials={each.key: _in_category(each) for each in found})

    @api.post("/initialize")
    def initialize() -> schemas.Done:
        """Archon reloads its settings here; this server reads them at every request."""
        return schemas.Done(success=True, message="Credentials reloaded from database")

    @api.post("/status-check")
    def status_check(request: Keys) -> dict[str, schemas.CredentialStatus]:
        """Unlike Archon's, this reveals no secret, only whether there is one."""
        found = {each.key: each for each in runtime_settings.all()}
        return {key: _status(key, found.get(key)) for key in request.keys}

    @api.get("/{key}", response_model_exclude_unset=True)
    def credential(key: str) -> schemas.Credential:
        found = runtime_settings.get(key)
        if found is None and key in _ARCHON_DEFAULTS:
            return schemas.Credential(
                key=key,
                value=_ARCHON_DEFAULTS[key],
                is_default=True,
                category="features",
                description=f"Default value for {key}",
            )
        if found is None:
            raise NotFound(f"Credential {key} not found")
        if not found.is_encrypted:
            return schemas.Credential(key=key, value=found.value, is_encrypted=False)
        return schemas.Credential(
            key=key,
            value=ENCRYPTED,
            is_encrypted=True,
            category=found.category,
            description=found.description,
            has_value=bool(found.value),
        )

    @api.post("")
    def save(request: NewCredential) -> schemas.Done:
        return save_and_report(Credential(**request.model_dump()))

    @api.put("/{key}")
    def change(key: str, request: CredentialChange) -> schemas.Done:
        before = runtime_settings.get(key) or Credential(key, "")
        given = request.model_dump(exclude_none=True)
        return save_and_report(Credential(**vars(before) | given))

    @api.delete("/{key}")
    def delete(key: str) -> schemas.Done:
        if not runtime_settings.delete(key):
            raise NotFound(f"Credential {key} not found")
        return schemas.Done(success=True, message=f"Credential {key} deleted successfully")

    return api


def _row(credential: Credential) -> schemas.CredentialRow:
    shown = {**vars(credential), "value": ENCRYPTED if credential.is_encrypted else credential.value}
    return schemas.CredentialRow(**shown, encrypted_value=None)


def _in_category(credential: Credential) -> str | schemas.SecretInCategory:
    if not credential.is_encrypted:
        return credential.value
    return schemas.SecretInCategory(value=ENCRYPTED, is_encrypted=True, description=credential.description)


def _status(key: str, credential: Credential | None) -> schemas.CredentialStatus:
    if credential is None:
        return schemas.CredentialStatus(key=key, value=None, has_value=False)
    value = None if credential.is_encrypted else credential.value
    return schemas.CredentialStatus(key=key, value=value, has_value=bool(credential.value))
