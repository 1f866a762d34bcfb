"""The commands for models: fetch, resolve, record."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys

from ...core.errors import UsageError
from ...core.model import Model
from ...hub.download import Lanes
from ...hub.mirrors import Sources
from ...models import baseline
from ...models.fetch import FetchRequest
from ...models.fetch import fetch as fetch_model
from ...models.selection import select
from ...store.store import Store
from ..stdin import drain, json_on_stdin


def fetch(options: argparse.Namespace) -> None:
    """Put one model snapshot in place."""
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
        drain(request.archive)


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


def record(options: argparse.Namespace) -> None:
    """Keep the known answers of a model."""
    baseline.record(Store.open(options.store), Model.parse(options.repo, options.revision), json_on_stdin())
