"""The commands that compare the store with its manifests, and mend it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from ...core import progress
from ...core.errors import AbsentError, MlenvError, UsageError
from ...repair.repair import Repaired, RepairRequest
from ...repair.repair import repair as repair_target
from ...store.store import Store
from ...store.verify import everything
from ...store.verify import verify as verify_target
from ...store.verify_result import Finding
from ..arguments import indexes_of
from ..stdin import text_on_stdin

SHOWN_PROBLEMS = 50


def verify(options: argparse.Namespace) -> int:
    """Compare; with --repair, mend what is not right. Returns 0 if everything is intact, then or now."""
    store = Store.open(options.store)
    clock = progress.Clock()
    with store.reading():
        findings = [_verified(store, target, options) for target in options.targets or everything(store)]
    broken = [finding.target for finding in findings if not finding.ok]
    if broken and options.repair:
        return _mend_all(store, broken, options)
    if options.json:
        document = {"ok": not broken, "full": options.full, "targets": [item.to_json() for item in findings]}
        print(json.dumps(document, indent=1))
        return 1 if broken else 0
    for finding in findings:
        _tell(finding)
    how = "names, sizes, modes and hashes" if options.full else "names, sizes and modes"
    progress.say(f"checked {how} of {progress.number(len(findings), 'target')} in {clock}")
    if broken:
        named = " ".join(broken)
        raise MlenvError(
            f"not as it was put in place: {named}. Mend it: mlenv repair {named} (npm run verify -- --repair)"
        )
    return 0


def repair(options: argparse.Namespace) -> int:
    """Mend targets, all of them by default. Goes on after one that cannot be mended; returns 1 then."""
    store = Store.open(options.store)
    return _mend_all(store, options.targets or everything(store), options)


def _verified(store: Store, target: str, options: argparse.Namespace) -> Finding:
    read = [0]

    def hashed(size: int) -> None:
        read[0] += size

    def describe() -> str:
        return f"{target}: {progress.size(read[0])} read"

    with progress.heartbeat(describe) if options.full and not options.json else nullcontext():
        return verify_target(store, target, full=options.full, hashed=hashed)


def _mend_all(store: Store, targets: Sequence[str], options: argparse.Namespace) -> int:
    request = _request(options)
    done: list[Repaired] = []
    failed: dict[str, str] = {}
    for target in targets:
        clock = progress.Clock()
        try:
            result = repair_target(store, target, request)
        except UsageError:
            raise
        except AbsentError as error:
            if options.targets:
                raise
            # A collection was quicker.
            progress.say(str(error))
            continue
        except MlenvError as error:
            progress.complain(str(error))
            failed[target] = str(error)
            continue
        done.append(result)
        _tell(result.found)
        for path in result.also:
            progress.say(f"  shared the damage, and was mended with it: {path}")
        if result.brought:
            progress.say(f"  brought again: {', '.join(result.brought)}")
        if not result.found.ok:
            progress.say(f"{target}: mended in {clock}")
    if options.json:
        print(json.dumps({"ok": not failed, "targets": [item.to_json() for item in done], "failed": failed}))
    return 1 if failed else 0


def _request(options: argparse.Namespace) -> RepairRequest:
    for flag in ("lock", "archive"):
        if getattr(options, flag) not in (None, "-"):
            raise UsageError(f"--{flag} {getattr(options, flag)!r}: only '-' is known, it comes on standard input")
    if options.lock and options.archive:
        raise UsageError("--lock and --archive: standard input can be one of them")
    return RepairRequest(
        indexes=indexes_of(options),
        lock=text_on_stdin() if options.lock else None,
        archive=sys.stdin.buffer if options.archive else None,
        endpoint=options.endpoint,
        mirrors=tuple(options.mirror),
        token=os.environ.get("HF_TOKEN") or None,
    )


def _tell(finding: Finding) -> None:
    problems = finding.problems()
    state = "intact" if finding.ok else progress.number(len(problems), "problem")
    progress.say(f"{finding.target}: {finding.describe()}, {state}")
    for problem in problems[:SHOWN_PROBLEMS]:
        progress.say(f"  {problem}")
    if len(problems) > SHOWN_PROBLEMS:
        progress.say(f"  ... and {len(problems) - SHOWN_PROBLEMS} more; --json lists them all")
