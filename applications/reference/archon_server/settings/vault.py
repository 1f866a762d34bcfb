"""Secrets at rest: encrypted with a key that lies beside the database, readable by the server's user only."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from ..errors import StorageError

KEY_FILE = "secrets.key"


class Vault:
    """Encrypts and decrypts with the key in `directory`; the first use makes one. Servers that share the directory
    share it.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / KEY_FILE

    def encrypt(self, text: str) -> str:
        """Raises StorageError if the key cannot be read or written."""
        return self._cipher().encrypt(text.encode()).decode()

    def decrypt(self, sealed: str) -> str:
        """Raises StorageError if the key cannot be read, or is not the one that `sealed` was made with."""
        try:
            return self._cipher().decrypt(sealed).decode()
        except InvalidToken:
            raise StorageError(
                f"A stored secret was encrypted with another key than {self._path}; "
                "bring that file back from a backup, or save the secret again"
            ) from None

    def _cipher(self) -> Fernet:
        try:
            if not self._path.exists():
                self._create()
            return Fernet(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise StorageError(f"The key of the stored secrets, {self._path}, cannot be used: {error}") from error

    def _create(self) -> None:
        """Writes a new key whole or not at all; of two servers at once, one wins."""
        draft = self._path.with_name(f".{KEY_FILE}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, self._path)
        finally:
            draft.unlink()
