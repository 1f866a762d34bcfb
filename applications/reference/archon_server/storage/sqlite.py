"""The storage in one SQLite file with an FTS5 index, in WAL mode: readers never wait, and servers can share it."""

from pathlib import Path

from .database import Database
from .documents import DocumentTable
from .retrieval import RetrievalTables
from .state import CredentialTable, OperationTable, SettingTable


class SqliteStorage(DocumentTable, RetrievalTables, OperationTable, CredentialTable, SettingTable):
    """Storage in the file `path`, created if missing. A transaction is on the disk when a call returns."""

    def __init__(self, path: Path) -> None:
        """Raises StorageError if the file cannot be opened or brought up to this code's schema."""
        self._database = Database(path)

    def close(self) -> None:
        self._database.close()
