"""The storage in one SQLite file with an FTS5 index. In WAL mode readers never wait, and servers can share the file."""

from pathlib import Path

from .database import Database
from .documents import DocumentTable
from .search_index import SearchTables
from .state import CredentialTable, JobTable, SettingTable


class SqliteStorage(DocumentTable, SearchTables, JobTable, CredentialTable, SettingTable):
    """Storage in the file `path`, created if missing. What a call wrote is on the disk when it returns."""

    def __init__(self, path: Path) -> None:
        """Raises StorageError if the file cannot be opened or brought up to this code's schema."""
        self._database = Database(path)

    def close(self) -> None:
        self._database.close()
