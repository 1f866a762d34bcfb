"""Indexes the passages that servers of earlier releases stored, so that searches find them as they find new ones."""

import logging
import threading
from concurrent.futures import Executor

from ..errors import StorageError
from ..storage import Storage

BATCH = 500
"""Passages that are indexed in one transaction, in some tenths of a second."""

CHECK_SECONDS = 5.0
"""How often the backfill looks whether another server has stored something: during an update an old one still does."""

log = logging.getLogger(__name__)


class IndexBackfill:
    """A thread that indexes a batch at a time on `worker`, between the uploads, so that they share the write lock."""

    def __init__(self, storage: Storage, worker: Executor) -> None:
        self._storage = storage
        self._worker = worker
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for the current batch. To be called before the worker is shut down."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._index_waiting()
            except StorageError as error:
                log.warning("cannot index stored passages, will try again: %s", error)
            self._stopped.wait(CHECK_SECONDS)

    def _index_waiting(self) -> None:
        total = 0
        while not self._stopped.is_set():
            indexed = self._worker.submit(self._storage.index_waiting, BATCH).result()
            total += indexed
            if indexed < BATCH:
                break
        if total:
            log.info("indexed %d passages of earlier releases", total)
