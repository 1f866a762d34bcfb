"""Jobs, credentials and settings in SQLite."""

import json
import time
from typing import Any

from . import FINISHED, Credential
from .database import Database

JOB_SECONDS = 3600
"""How long the progress of a finished job stays readable."""


class JobTable:
    """The jobs of a Storage. Its table `operations` has a stable name."""

    _database: Database

    def save_job(self, progress_id: str, owner: str, body: dict[str, Any]) -> None:
        now = int(time.time())
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM operations WHERE updated_at < ?", (now - JOB_SECONDS,))
            connection.execute(
                """
                INSERT OR REPLACE INTO operations (progress_id, owner, body, finished, updated_at)
                VALUES (?, ?, ?, ?, ?)
                """,
                (progress_id, owner, json.dumps(body), body["status"] in FINISHED, now),
            )

    def job(self, progress_id: str) -> dict[str, Any] | None:
        with self._database.connection() as connection:
            row = connection.execute("SELECT body FROM operations WHERE progress_id = ?", (progress_id,)).fetchone()
        return json.loads(row[0]) if row else None

    def unfinished_jobs(self, owner: str | None = None) -> dict[str, dict[str, Any]]:
        with self._database.connection() as connection:
            found = connection.execute(
                """
                SELECT progress_id, body FROM operations WHERE NOT finished AND (:owner IS NULL OR owner = :owner)
                ORDER BY updated_at, progress_id
                """,
                {"owner": owner},
            )
            return {progress_id: json.loads(body) for progress_id, body in found}


class CredentialTable:
    """The credentials of a Storage: the settings that people change."""

    _database: Database

    def credentials(self) -> list[Credential]:
        with self._database.connection() as connection:
            found = connection.execute(
                "SELECT key, value, is_encrypted, category, description FROM credentials ORDER BY key"
            ).fetchall()
        return [Credential(key, value, bool(is_encrypted), *about) for key, value, is_encrypted, *about in found]

    def save_credential(self, credential: Credential) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                """
                INSERT OR REPLACE INTO credentials (key, value, is_encrypted, category, description)
                VALUES (:key, :value, :is_encrypted, :category, :description)
                """,
                vars(credential),
            )

    def delete_credential(self, key: str) -> bool:
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM credentials WHERE key = ?", (key,)).rowcount > 0


class SettingTable:
    """The settings of a Storage that the server itself remembers."""

    _database: Database

    def setting(self, key: str) -> str | None:
        with self._database.connection() as connection:
            row = connection.execute("SELECT value FROM server_settings WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def save_setting(self, key: str, value: str | None) -> None:
        with self._database.transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM server_settings WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO server_settings (key, value) VALUES (?, ?)", (key, value))
