"""The commands for environments: populate, lock."""

from __future__ import annotations

import argparse

from ...core.errors import UsageError
from ...environments.populate import PopulateRequest
from ...environments.populate import populate as populate_environment
from ...environments.resolve import ResolveRequest, write_lock_files
from ...store.store import Store
from ..indexes import indexes_of
from ..stdin import lock_on_stdin


def populate(options: argparse.Namespace) -> None:
    """Put one environment in place."""
    if options.lock != "-":
        raise UsageError(f"--lock {options.lock!r}: only '-' is allowed, the lock file comes on standard input")
    request = PopulateRequest(
        key=options.key,
        lock=lock_on_stdin(),
        planned_sha256=options.lock_sha256,
        python=options.python,
        imports=tuple(options.imports),
        indexes=indexes_of(options),
    )
    populate_environment(Store.open(options.store), request)


def lock(options: argparse.Namespace) -> None:
    """Resolve requirement lists and write their lock files."""
    write_lock_files(
        ResolveRequest(
            minimal=options.minimal,
            ml=options.ml,
            also=tuple(options.also),
            output=options.output,
            platform=options.platform,
            accelerator=options.accelerator,
            torch_index=options.torch_index,
            exclude_newer=options.exclude_newer,
            upgrade=options.upgrade,
            indexes=indexes_of(options),
            scratch=options.scratch,
        )
    )
