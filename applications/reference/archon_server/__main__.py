"""`python3 -m archon_server`: the server with the real reranker, configured by environment variables."""

import os
import signal
import sys
from functools import partial

from .process.garbage_collection import rare_garbage_collection
from .settings import Settings, SettingsError


def main() -> None:
    # The first process of a container ignores SIGTERM while it has no handler. This one works until uvicorn sets its
    # own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"archon_server: error: {error}")

    with rare_garbage_collection():
        from .main import serve
        from .reranking.cross_encoder import load

    serve(settings, partial(load, hub_dir=settings.hub_dir, require_gpu=settings.require_gpu))


if __name__ == "__main__":
    main()
