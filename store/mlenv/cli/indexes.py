"""The package indexes that a command line names."""

from __future__ import annotations

import argparse

from ..core.errors import UsageError
from ..environments.uv import Indexes


def indexes_of(options: argparse.Namespace) -> Indexes:
    """The package indexes of a command line. Raises UsageError."""
    if options.wheelhouse and not options.wheelhouse.is_dir():
        raise UsageError(f"--wheelhouse {options.wheelhouse}: there is no such directory")
    return Indexes(options.index, tuple(options.extra_index), options.wheelhouse)
