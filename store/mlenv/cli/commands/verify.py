"""The commands that compare the store with its manifests: verify, repair."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from ...core import progress
from ...core.errors import DamageFoundError, MlenvError, NotInStoreError, UsageError
from ...repair.repair import RepairResult
from ...repair.repair import repair as repair_target
from ...repair.request import RepairRequest
from ...store.store import Store
from ...store.verify import everything
from ...store.verify import verify as verify_target
from ...store.verify_result import VerifyResult
from ..indexes import indexes_of
from ..stdin import lock_on_stdin

SHOWN_PROBLEMS = 50


def verify(options: argparse.Namespace) -> int:
    """Compare; with --repair, repair what is damaged. Returns 0 if everything is intact in the end."""
    store = Store.open(options.store)
    clock = progress.Clock()
    with store.shared_lock():
        results = [_verified(store, target, options) for target in options.targets or everything(store)]
    broken = [result.target for result in results if not result.ok]
    if broken and options.repair:
        return _repair_all(store, broken, options)
    if options.json:
        document = {"ok": not broken, "full": options.full, "targets": [item.to_json() for item in results]}
        print(json.dumps(document, indent=1))
        return DamageFoundError.status if broken else 0
    for result in results:
        _report(result)
    how = "names, sizes, modes and hashes" if options.full else "names, sizes and modes"
    progress.info(f"checked {how} of {progress.pluralise(len(results), 'target')} in {clock}")
    if broken:
        named = " ".join(broken)
        raise DamageFoundError(
            f"does not match its manifest: {named}. Repair it: mlenv repair {named} (./archon verify --repair)"
        )
    return 0


def repair(options: argparse.Namespace) -> int:
    """Repair targets, by default all. Continues after one that cannot be repaired and then returns 3."""
    store = Store.open(options.store)
    return _repair_all(store, options.targets or everything(store), options)


def _verified(store: Store, target: str, options: argparse.Namespace) -> VerifyResult:
    read = [0]

    def hashed(size: int) -> None:
        read[0] += size

    def describe() -> str:
        return f"{target}: {progress.size(read[0])} read"

    with progress.heartbeat(describe) if options.full and not options.json else nullcontext():
        return verify_target(store, target, full=options.full, hashed=hashed)


def _repair_all(store: Store, targets: Sequence[str], options: argparse.Namespace) -> int:
    request = _request(options)
    done: list[RepairResult] = []
    failed: dict[str, str] = {}
    for target in targets:
        clock = progress.Clock()
        try:
            result = repair_target(store, target, request)
        except UsageError:
            raise
        except NotInStoreError as error:
            if options.targets:
                raise
            # A garbage collection has removed it since.
            progress.info(str(error))
            continue
        except MlenvError as error:
            progress.error(str(error))
            failed[target] = str(error)
            continue
        done.append(result)
        _report(result.found)
        for path in result.also:
            progress.info(f"  shared the damage and was repaired with it: {path}")
        if result.downloaded:
            progress.info(f"  downloaded again: {', '.join(result.downloaded)}")
        if not result.found.ok:
            progress.info(f"{target}: repaired in {clock}")
    if options.json:
        print(json.dumps({"ok": not failed, "targets": [item.to_json() for item in done], "failed": failed}))
    return DamageFoundError.status if failed else 0


def _request(options: argparse.Namespace) -> RepairRequest:
    for flag in ("lock", "archive"):
        if getattr(options, flag) not in (None, "-"):
            raise UsageError(f"--{flag} {getattr(options, flag)!r}: only '-' is allowed, it comes on standard input")
    if options.lock and options.archive:
        raise UsageError("--lock and --archive: standard input can carry only one of them")
    return RepairRequest(
        indexes=indexes_of(options),
        lock=lock_on_stdin() if options.lock else None,
        archive=sys.stdin.buffer if options.archive else None,
        endpoint=options.endpoint,
        mirrors=tuple(options.mirror),
        token=os.environ.get("HF_TOKEN") or None,
    )


def _report(result: VerifyResult) -> None:
    problems = result.problems()
    state = "intact" if result.ok else progress.pluralise(len(problems), "problem")
    progress.info(f"{result.target}: {result.describe()}, {state}")
    for problem in problems[:SHOWN_PROBLEMS]:
        progress.info(f"  {problem}")
    if len(problems) > SHOWN_PROBLEMS:
        progress.info(f"  ... and {len(problems) - SHOWN_PROBLEMS} more; --json lists them all")
