"""The commands for a whole store: init, list, purge."""

from __future__ import annotations

import argparse
import json

from ...core import progress
from ...gc.purge import purge as remove_store
from ...gc.reachability import RunningContainers
from ...store import inventory
from ...store.initialise import initialise
from ...store.store import Store
from ..stdin import json_on_stdin


def init(options: argparse.Namespace) -> None:
    """Create a store, or add the directories that one lacks."""
    initialise(options.store, options.data, options.owner)
    progress.info(f"store {options.store} is ready")


def list_(options: argparse.Namespace) -> None:
    """List what the store holds."""
    store = Store.open(options.store)
    with store.shared_lock():
        document = inventory.document(store)
    print(json.dumps(document, indent=1) if options.json else "\n".join(inventory.table(document)))


def purge(options: argparse.Namespace) -> None:
    """Remove the store."""
    store = Store.open(options.store)
    running = RunningContainers.parse(json_on_stdin(allowed=("mounted", "root")))
    with store.exclusive_lock():
        freed = remove_store(store, running, data=options.data, dry_run=options.dry_run)
    progress.info(f"{'would free' if options.dry_run else 'freed'} {progress.size(freed)}")
