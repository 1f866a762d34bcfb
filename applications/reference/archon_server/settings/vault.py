"""Encrypts stored secrets with a key file beside the database, which only the server's user can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from ..errors import StorageError

KEY_FILE = "secrets.key"


class Vault:
    """Encrypts and decrypts with the key in `directory`, and creates it when it is first used.

    Servers that share the directory share the key.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / KEY_FILE

    def encrypt(self, text: str) -> str:
        """Raises StorageError if the key cannot be read or written."""
        return self._cipher().encrypt(text.encode()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """Raises StorageError if the key cannot be read, or is not the one that encrypted it."""
        try:
            return self._cipher().decrypt(ciphertext).decode()
        except InvalidToken:
            raise StorageError(
                f"A stored secret was encrypted with another key than {self._path}; "
                "restore that file from a backup, or save the secret again"
            ) from None

    def _cipher(self) -> Fernet:
        try:
            if not self._path.exists():
                self._create()
            return Fernet(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise StorageError(f"The key of the stored secrets, {self._path}, cannot be used: {error}") from error

    def _create(self) -> None:
        """Writes a complete new key or none. If two servers do so at once, one of the keys wins."""
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
