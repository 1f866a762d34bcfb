"""Runs the server as a process: logging, storage, port, and an orderly end."""

import logging
import os
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime

import uvicorn

from .app import create_app
from .draining import Draining, DrainingServer
from .errors import StorageError
from .reranking import LoadReranker
from .settings import Settings
from .storage.sqlite import SqliteStorage

log = logging.getLogger(__name__)


def serve(settings: Settings, load: LoadReranker) -> None:
    """Serves until SIGTERM, then ends the process.

    Its exit status is 0 after an orderly end, 1 if the data directory cannot be used, 3 if the port cannot.
    """
    _log_to_stderr(settings.log_level)
    log.info("release %s of service %s starts", settings.release or "(none)", settings.service or "(none)")
    try:
        uploads = settings.data_dir / "uploads"
        uploads.mkdir(parents=True, exist_ok=True)
        storage = SqliteStorage(settings.data_dir / "archon.db")
    except (OSError, StorageError) as error:
        log.error("%s cannot be used: %s. It must be writable by uid %d", settings.data_dir, error, os.getuid())
        sys.exit(1)
    # Received files go to the disk, not into memory, which is what /tmp is in a container. They have no names there: a
    # kill leaves none behind.
    tempfile.tempdir = str(uploads)

    draining = Draining()
    app = create_app(settings, storage, load, draining)
    config = uvicorn.Config(
        app,
        host="0.0.0.0",
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        # Longer than a gateway keeps an idle connection: if the server closed it, a request could get lost in that.
        timeout_keep_alive=75,
    )
    server = DrainingServer(config, draining, settings.drain_seconds)
    with suppress(SystemExit):
        # uvicorn's, if it cannot have the port; the reason is in the log.
        server.run()
    log.info("stopped")
    logging.shutdown()
    # Not sys.exit: that would wait for a thread which may be in the middle of loading a model. All that had to be
    # finished is.
    os._exit(0 if server.started else 3)


class _OneLine(logging.Formatter):
    """One line a record, tracebacks included, so that a log of many containers can be read by lines."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(line for line in super().format(record).splitlines() if line.strip())


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "urllib3", "filelock"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
