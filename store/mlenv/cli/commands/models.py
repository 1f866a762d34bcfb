"""The commands for models: fetch, resolve, record."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys

from ...core.errors import UsageError
from ...core.model import Model
from ...hub.download import DownloadOptions
from ...hub.mirrors import Mirrors
from ...models import baseline
from ...models.fetch import FetchRequest
from ...models.fetch import fetch as fetch_model
from ...models.own_code import own_code
from ...models.selection import select
from ...store.store import Store
from ..stdin import drain, json_on_stdin


def fetch(options: argparse.Namespace) -> None:
    """Put one model snapshot in place."""
    if options.archive not in (None, "-"):
        raise UsageError(f"--archive {options.archive!r}: only '-' is allowed, the archive comes on standard input")
    request = FetchRequest(
        model=Model.parse(options.repo, options.revision),
        archive=sys.stdin.buffer if options.archive else None,
        endpoint=options.endpoint,
        mirrors=tuple(options.mirror),
        token=os.environ.get("HF_TOKEN") or None,
        allow=tuple(options.allow),
        ignore=tuple(options.ignore),
        timeout=options.timeout,
        options=DownloadOptions(options.connections, options.part_size),
    )
    fetch_model(Store.open(options.store), request)
    if request.archive:
        # Also when the snapshot was in the store already and nothing was read.
        drain(request.archive)


def resolve(options: argparse.Namespace) -> None:
    """Print the commit that a branch points to and the files that a fetch would select, as one JSON document.

    Progress goes to standard error.
    """
    output = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        mirrors = Mirrors(options.endpoint, options.mirror, os.environ.get("HF_TOKEN") or None, options.timeout)
        # Checks the repository name before any request. The zeros only fill the place of the commit.
        repo = Model.parse(options.repo, "0" * 40).repo
        model = Model(repo, mirrors.resolve(repo, options.revision))
        listing = {file.path: file for file in mirrors.listing(model)}
        code = own_code(mirrors, model, listing)
    sizes = {path: file.size for path, file in listing.items()}
    chosen = select(sizes, options.allow, options.ignore)
    document = {
        "repo": model.repo,
        "revision": model.revision,
        "files": [{"path": path, "size": sizes[path]} for path in chosen],
        "left": sorted(sizes.keys() - set(chosen)),
        "code": code,
        "bytes": sum(sizes[path] for path in chosen),
    }
    print(json.dumps(document), file=output)


def record(options: argparse.Namespace) -> None:
    """Record the baseline of a model, read from standard input."""
    baseline.record(Store.open(options.store), Model.parse(options.repo, options.revision), json_on_stdin())
