"""Shorthands for the commands that hold, collect, prune and list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mlenv.store.store import Store

from .run_mlenv import Result, mlenv

ROOT = "/srv/store"
"""The directory of the store on the host, as these commands are told."""


def content(
    images: Sequence[str] = (), environments: Sequence[str] = (), models: Sequence[str] = ()
) -> dict[str, list[str]]:
    return {"images": list(images), "environments": list(environments), "models": list(models)}


def hold(store: Store, stack: str, held: dict, **environment: str) -> Result:
    return mlenv("hold", "--store", store.root, "--stack", stack, stdin=json.dumps(held), **environment)


def collect(store: Store, stack: str, keep: dict, mounted: Sequence = (), *options: object, **environment: str):
    document = {"keep": keep, "mounted": list(mounted), "root": ROOT}
    arguments = ("--store", store.root, "--stack", stack, "--json", *options)
    return mlenv("collect", *arguments, stdin=json.dumps(document), **environment)


def prune(store: Store, *options: object, mounted: Sequence = (), images: Sequence[str] = (), **environment: str):
    document = {"mounted": list(mounted), "root": ROOT, "images": list(images)}
    return mlenv("prune", "--store", store.root, "--json", *options, stdin=json.dumps(document), **environment)


def listed(store: Store) -> dict:
    result = mlenv("list", "--store", store.root, "--json")
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out)


def report(result: Result) -> dict:
    """The JSON report of a successful run."""
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out.splitlines()[-1])


def used(root: Path) -> int:
    """Bytes of the blocks that a directory occupies, each file counted once, without the locks."""
    inodes = {}
    for path in [root, *root.rglob("*")]:
        if "staging/locks" not in str(path):
            status = path.lstat()
            inodes[status.st_ino] = status.st_blocks * 512
    return sum(inodes.values())
