"""The commands for bundles: export, import."""

from __future__ import annotations

import argparse
import contextlib
import sys

from ...bundle import bundle
from ...bundle.bundle_import import import_bundle
from ...core import progress
from ...core.errors import MlenvError, UsageError
from ...store.store import Store
from ...store.verify import everything
from ..stdin import drain


def export(options: argparse.Namespace) -> None:
    """Write a bundle to standard output."""
    if options.output != "-":
        raise UsageError(f"--output {options.output!r}: only '-' is allowed, the stream goes to standard output")
    store = Store.open(options.store)
    stream = sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr), store.object_lock("export", "an export"):
        content = bundle.of_store(store, options.targets or everything(store))
        progress.info(f"bundle {content.name}: {content.describe()}")
        try:
            bundle.write(content, store, stream)
            stream.flush()
        except BrokenPipeError:
            raise MlenvError(
                "the reader of the bundle closed the stream; what it received is incomplete and cannot be imported"
            ) from None


def import_(options: argparse.Namespace) -> None:
    """Read a bundle from standard input."""
    import_bundle(Store.open(options.store), sys.stdin.buffer, options.expect)
    drain(sys.stdin.buffer)
