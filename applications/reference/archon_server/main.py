"""Runs the server as a process: logging, storage, port, and a graceful end."""

import logging
import os
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime

import uvicorn

from .errors import StorageError
from .http.app import create_app
from .process.graceful_shutdown import GracefulServer, GracefulShutdown
from .reranking import LoadReranker
from .settings import Settings
from .storage.sqlite import SqliteStorage

log = logging.getLogger(__name__)


def serve(settings: Settings, load: LoadReranker) -> None:
    """Serves until SIGTERM, then ends the process.

    The exit status is 0 after a graceful end, 1 if the data directory cannot be used, 3 if the port cannot.
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
    # Received files go to the disk: in a container, /tmp is memory. They have no names there, so a killed server leaves
    # none behind.
    tempfile.tempdir = str(uploads)

    shutdown = GracefulShutdown()
    app = create_app(settings, storage, load, shutdown)
    config = uvicorn.Config(
        app,
        host="0.0.0.0",
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        # Longer than a gateway keeps an idle connection. If the server closed it first, a request that is on its way
        # would be lost.
        timeout_keep_alive=75,
    )
    server = GracefulServer(config, shutdown, settings.drain_seconds)
    # uvicorn exits if it cannot have the port; it has logged the reason.
    with suppress(SystemExit):
        server.run()
    log.info("stopped")
    logging.shutdown()
    # Not sys.exit, which would wait for a thread that may be loading a model. Everything that had to be finished is.
    os._exit(0 if server.started else 3)


class _OneLine(logging.Formatter):
    """One line per record, tracebacks included, so that the logs of many containers can be read line by line."""

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
