"""The commands for garbage collection: hold, collect, prune."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from ...core import failpoints, progress
from ...core.errors import UsageError
from ...gc import collect as collection
from ...gc.reachability import Running
from ...store import gc_roots
from ...store.gc_roots import Content, References
from ...store.store import Store
from ..stdin import json_on_stdin


def hold(options: argparse.Namespace) -> None:
    """Add to the references of a stack."""
    store = Store.open(options.store)
    path = gc_roots.path_of(store.references, options.stack)
    content = Content.parse(json_on_stdin(), "standard input")
    with store.working(f"refs-{options.stack}", f"the references of {options.stack}"):
        before = gc_roots.read(store.references).get(options.stack)
        held = before.content.union(content) if before else content
        gc_roots.write(path.parent, options.stack, held)
        failpoints.reach("hold.written")
    progress.say(f"{options.stack} holds {_counted(held)}")


def collect(options: argparse.Namespace) -> None:
    """Replace the references of a stack, then remove what nobody needs."""
    store = Store.open(options.store)
    document = json_on_stdin(allowed=("keep", "mounted", "root"))
    keep = Content.parse(document.get("keep"), "keep")
    running = Running.parse(document)
    gc_roots.path_of(store.references, options.stack)
    with store.alone():
        known = gc_roots.read(store.references)
        elsewhere = _elsewhere(options.also_references)
        dropped = known[options.stack].content.images if options.stack in known else ()
        gc_roots.write(store.references, options.stack, keep)
        failpoints.reach("collect.referenced")
        known = gc_roots.read(store.references)
        _carry_out(store, known, running, _unnamed(dropped, [*known.values(), *elsewhere]), options)


def prune(options: argparse.Namespace) -> None:
    """Remove what nobody needs; the references of the stacks to forget count no more."""
    store = Store.open(options.store)
    document = json_on_stdin(allowed=("mounted", "root", "images"))
    offered = Content.parse({"images": document.pop("images", []), "environments": [], "models": []}, "images").images
    running = Running.parse(document)
    with store.alone():
        known = gc_roots.read(store.references)
        elsewhere = _elsewhere(options.also_references)
        unknown = [stack for stack in options.forget if stack not in known]
        if unknown:
            raise UsageError(
                f"--forget {' '.join(unknown)}: no such references; this store has {', '.join(known) or 'none'}"
            )
        forgotten = [known.pop(stack) for stack in dict.fromkeys(options.forget)]
        if not options.dry_run:
            for item in forgotten:
                gc_roots.forget(store.references, item.stack)
        offered = sorted({*offered, *(image for item in forgotten for image in item.content.images)})
        _carry_out(store, known, running, _unnamed(offered, [*known.values(), *elsewhere]), options)


def _carry_out(
    store: Store, known: dict[str, References], running: Running, images: list[str], options: argparse.Namespace
) -> None:
    dry_run = getattr(options, "dry_run", False)
    plan = collection.plan(store, known, running)
    for line in plan.describe():
        progress.say(f"{'would remove' if dry_run else 'removing'} {line}")
    if not dry_run:
        collection.remove(store, plan)
    for image in images:
        progress.say(f"no longer referenced: image {image}")
    progress.say(f"{'would free' if dry_run else 'freed'} {progress.size(plan.bytes)}")
    if options.json:
        print(json.dumps({"dryRun": dry_run, **plan.to_json(), "images": images}))


def _elsewhere(directories: Iterable[Path]) -> list[References]:
    absent = [str(directory) for directory in directories if not directory.is_dir()]
    if absent:
        raise UsageError(f"--also-references {' '.join(absent)}: no such directory")
    return [item for directory in directories for item in gc_roots.read(directory).values()]


def _unnamed(images: Iterable[str], everywhere: Sequence[References]) -> list[str]:
    named = {image for item in everywhere for image in item.content.images}
    return sorted(set(images) - named)


def _counted(content: Content) -> str:
    return ", ".join(progress.number(len(names), kind[:-1]) for kind, names in asdict(content).items())
