"""The commands that bring content into a store and out of it: fetch, resolve, export, import."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from typing import BinaryIO

from . import bundle, progress
from .download import Lanes
from .errors import MlenvError, UsageError
from .fetch import FetchRequest
from .fetch import fetch as fetch_model
from .model import Model
from .selection import select
from .sources import Sources
from .store import Store
from .unpack import import_bundle
from .verify import everything


def fetch(options: argparse.Namespace) -> None:
    if options.archive not in (None, "-"):
        raise UsageError(f"--archive {options.archive!r}: only '-' is known, the archive comes on standard input")
    request = FetchRequest(
        model=Model.parse(options.repo, options.revision),
        archive=sys.stdin.buffer if options.archive else None,
        endpoint=options.endpoint,
        mirrors=tuple(options.mirror),
        token=os.environ.get("HF_TOKEN") or None,
        allow=tuple(options.allow),
        ignore=tuple(options.ignore),
        timeout=options.timeout,
        lanes=Lanes(options.connections, options.part_size),
    )
    fetch_model(Store.open(options.store), request)
    if request.archive:
        # Also where the snapshot was there already.
        _drain(request.archive)


def resolve(options: argparse.Namespace) -> None:
    """One JSON document; what is said on the way goes to standard error."""
    answer = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        sources = Sources(options.endpoint, options.mirror, os.environ.get("HF_TOKEN") or None, options.timeout)
        # The name is checked before the hub is asked; a branch may have any.
        repo = Model.parse(options.repo, "0" * 40).repo
        model = Model(repo, sources.resolve(repo, options.revision))
        sizes = {file.path: file.size for file in sources.listing(model)}
    chosen = select(sizes, options.allow, options.ignore)
    document = {
        "repo": model.repo,
        "revision": model.revision,
        "files": [{"path": path, "size": sizes[path]} for path in chosen],
        "left": sorted(sizes.keys() - set(chosen)),
        "bytes": sum(sizes[path] for path in chosen),
    }
    print(json.dumps(document), file=answer)


def export(options: argparse.Namespace) -> None:
    if options.output != "-":
        raise UsageError(f"--output {options.output!r}: only '-' is known, the stream goes to standard output")
    store = Store.open(options.store)
    stream = sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr), store.working("export", "an export"):
        content = bundle.of_store(store, options.targets or everything(store))
        progress.say(f"bundle {content.name}: {content.describe()}")
        try:
            bundle.write(content, store, stream)
            stream.flush()
        except BrokenPipeError:
            raise MlenvError("whoever reads the bundle went away; what it got is of no use") from None


def take_in(options: argparse.Namespace) -> None:
    import_bundle(Store.open(options.store), sys.stdin.buffer, options.expect)
    _drain(sys.stdin.buffer)


def _drain(stream: BinaryIO) -> None:
    """Read to the end: whoever writes into a closed pipe dies of it."""
    while stream.read(1 << 20):
        pass
