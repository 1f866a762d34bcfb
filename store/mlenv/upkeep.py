"""The commands that keep a store: what stacks need, what goes, what is there."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from . import collect as collection
from . import failpoints, listing, progress, proofs, references
from .errors import UsageError
from .model import Model
from .purge import purge as remove_store
from .references import Content, References
from .store import Store
from .usage import Running


def hold(options: argparse.Namespace) -> None:
    """Add to the references of a stack."""
    store = Store.open(options.store)
    path = references.path_of(store.references, options.stack)
    content = Content.parse(_document(), "standard input")
    with store.working(f"refs-{options.stack}", f"the references of {options.stack}"):
        before = references.read(store.references).get(options.stack)
        held = before.content.union(content) if before else content
        references.write(path.parent, options.stack, held)
        failpoints.reach("hold.written")
    progress.say(f"{options.stack} holds {_counted(held)}")


def collect(options: argparse.Namespace) -> None:
    """Replace the references of a stack, then remove what nobody needs."""
    store = Store.open(options.store)
    document = _document(allowed=("keep", "mounted", "root"))
    keep = Content.parse(document.get("keep"), "keep")
    running = Running.parse(document)
    references.path_of(store.references, options.stack)
    with store.alone():
        known = references.read(store.references)
        elsewhere = _elsewhere(options.also_references)
        dropped = known[options.stack].content.images if options.stack in known else ()
        references.write(store.references, options.stack, keep)
        failpoints.reach("collect.referenced")
        known = references.read(store.references)
        _carry_out(store, known, running, _unnamed(dropped, [*known.values(), *elsewhere]), options)


def prune(options: argparse.Namespace) -> None:
    """Remove what nobody needs; the references of the stacks to forget count no more."""
    store = Store.open(options.store)
    document = _document(allowed=("mounted", "root", "images"))
    offered = Content.parse({"images": document.pop("images", []), "environments": [], "models": []}, "images").images
    running = Running.parse(document)
    with store.alone():
        known = references.read(store.references)
        elsewhere = _elsewhere(options.also_references)
        unknown = [stack for stack in options.forget if stack not in known]
        if unknown:
            raise UsageError(
                f"--forget {' '.join(unknown)}: no such references; this store has {', '.join(known) or 'none'}"
            )
        forgotten = [known.pop(stack) for stack in dict.fromkeys(options.forget)]
        if not options.dry_run:
            for item in forgotten:
                references.forget(store.references, item.stack)
        offered = sorted({*offered, *(image for item in forgotten for image in item.content.images)})
        _carry_out(store, known, running, _unnamed(offered, [*known.values(), *elsewhere]), options)


def show(options: argparse.Namespace) -> None:
    """List what the store holds."""
    store = Store.open(options.store)
    with store.reading():
        document = listing.document(store)
    print(json.dumps(document, indent=1) if options.json else "\n".join(listing.table(document)))


def purge(options: argparse.Namespace) -> None:
    """Remove the store."""
    store = Store.open(options.store)
    running = Running.parse(_document(allowed=("mounted", "root")))
    with store.alone():
        freed = remove_store(store, running, data=options.data, dry_run=options.dry_run)
    progress.say(f"{'would free' if options.dry_run else 'freed'} {progress.size(freed)}")


def record(options: argparse.Namespace) -> None:
    """Keep the known answers of a model."""
    proofs.record(Store.open(options.store), Model.parse(options.repo, options.revision), _document())


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
    return [item for directory in directories for item in references.read(directory).values()]


def _unnamed(images: Iterable[str], everywhere: Sequence[References]) -> list[str]:
    named = {image for item in everywhere for image in item.content.images}
    return sorted(set(images) - named)


def _counted(content: Content) -> str:
    return ", ".join(progress.number(len(names), kind[:-1]) for kind, names in asdict(content).items())


def _document(allowed: Sequence[str] = ()) -> dict:
    """The JSON object on standard input. Raises UsageError, also for names that are not among the allowed ones."""
    try:
        document = json.loads(sys.stdin.buffer.read())
    except ValueError as error:
        raise UsageError(f"standard input is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"standard input: expected a JSON object, got {type(document).__name__}")
    unknown = sorted(document.keys() - set(allowed)) if allowed else []
    if unknown:
        raise UsageError(f"standard input: unknown names {', '.join(unknown)}; known are {', '.join(allowed)}")
    return document
