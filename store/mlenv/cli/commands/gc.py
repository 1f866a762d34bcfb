"""The commands for garbage collection: hold, collect, prune."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...core import failpoints, progress
from ...core.errors import UsageError
from ...gc import collect as collection
from ...gc.reachability import RunningContainers
from ...store import gc_roots
from ...store.gc_roots import Roots, StackRoots
from ...store.store import Store
from ..stdin import json_on_stdin


def hold(options: argparse.Namespace) -> None:
    """Add GC roots of a stack."""
    store = Store.open(options.store)
    path = gc_roots.path_of(store.gc_roots, options.stack)
    roots = Roots.parse(json_on_stdin(), "standard input")
    with store.object_lock(f"refs-{options.stack}", f"the GC roots of {options.stack}"):
        before = gc_roots.read(store.gc_roots).get(options.stack)
        held = before.roots.union(roots) if before else roots
        gc_roots.write(path.parent, options.stack, held)
        failpoints.reach("hold.written")
    progress.info(f"{options.stack} holds {gc_roots.describe(held.to_json())}")


def collect(options: argparse.Namespace) -> None:
    """Replace the GC roots of a stack, then remove what nothing needs."""
    store = Store.open(options.store)
    document = json_on_stdin(allowed=("keep", "mounted", "root"))
    keep = Roots.parse(document.get("keep"), "keep")
    running = RunningContainers.parse(document)
    gc_roots.path_of(store.gc_roots, options.stack)
    with store.exclusive_lock():
        roots_by_stack = gc_roots.read(store.gc_roots)
        other_stores = _roots_of_other_stores(options.also_references)
        images_before = roots_by_stack[options.stack].roots.images if options.stack in roots_by_stack else ()
        gc_roots.write(store.gc_roots, options.stack, keep)
        failpoints.reach("collect.referenced")
        roots_by_stack = gc_roots.read(store.gc_roots)
        images = _unreferenced(images_before, [*roots_by_stack.values(), *other_stores])
        _remove_garbage(store, roots_by_stack, running, images, options)


def prune(options: argparse.Namespace) -> None:
    """Remove what nothing needs, and before it the GC roots of the stacks to forget."""
    store = Store.open(options.store)
    document = json_on_stdin(allowed=("mounted", "root", "images"))
    candidates = Roots.parse({"images": document.pop("images", []), "environments": [], "models": []}, "images").images
    running = RunningContainers.parse(document)
    with store.exclusive_lock():
        roots_by_stack = gc_roots.read(store.gc_roots)
        other_stores = _roots_of_other_stores(options.also_references)
        unknown = [stack for stack in options.forget if stack not in roots_by_stack]
        if unknown:
            raise UsageError(
                f"--forget {' '.join(unknown)}: no such stack; this store has the GC roots of "
                f"{', '.join(roots_by_stack) or 'no stack'}"
            )
        owners = gc_roots.owners(store.gc_roots)
        for stack in options.forget:
            if stack in owners:
                raise UsageError(
                    f"--forget {stack}: it is still deployed by {owners[stack]}. Destroy it first, or take it over "
                    "(./archon recover --adopt) if its state was lost"
                )
        forgotten = [roots_by_stack.pop(stack) for stack in dict.fromkeys(options.forget)]
        if not options.dry_run:
            for item in forgotten:
                gc_roots.forget(store.gc_roots, item.stack)
        forgotten_images = [image for item in forgotten for image in item.roots.images]
        images = _unreferenced([*candidates, *forgotten_images], [*roots_by_stack.values(), *other_stores])
        _remove_garbage(store, roots_by_stack, running, images, options)


def _remove_garbage(
    store: Store,
    roots_by_stack: dict[str, StackRoots],
    running: RunningContainers,
    images: list[str],
    options: argparse.Namespace,
) -> None:
    dry_run = getattr(options, "dry_run", False)
    plan = collection.plan(store, roots_by_stack, running)
    for line in plan.describe():
        progress.info(f"{'would remove' if dry_run else 'removing'} {line}")
    if not dry_run:
        collection.remove(store, plan)
    for image in images:
        progress.info(f"no longer referenced: image {image}")
    progress.info(f"{'would free' if dry_run else 'freed'} {progress.size(plan.bytes)}")
    if options.json:
        print(json.dumps({"dryRun": dry_run, **plan.to_json(), "images": images}))


def _roots_of_other_stores(directories: Iterable[Path]) -> list[StackRoots]:
    missing = [str(directory) for directory in directories if not directory.is_dir()]
    if missing:
        raise UsageError(f"--also-references {' '.join(missing)}: no such directory")
    return [item for directory in directories for item in gc_roots.read(directory).values()]


def _unreferenced(images: Iterable[str], all_roots: Sequence[StackRoots]) -> list[str]:
    """Those of the images that no stack references. The caller removes them: this tool has no access to the engine."""
    referenced = {image for item in all_roots for image in item.roots.images}
    return sorted(set(images) - referenced)
