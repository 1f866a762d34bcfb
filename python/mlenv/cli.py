"""The command line: reads arguments, calls the work, turns its errors into messages and exit statuses."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence

from . import failpoints, progress, supply, upkeep
from .arguments import parser
from .errors import MlenvError, UsageError, advice
from .lock import LockRequest, write_locks
from .populate import PopulateRequest, populate
from .store import Store, initialise
from .uv import Indexes
from .verify import everything, verify

SHOWN_PROBLEMS = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 when it is done, 1 when it failed, 2 when it was asked wrongly."""
    os.umask(0o022)
    # As the first process of a container this one would ignore SIGTERM. It may end anywhere: nothing half-made shows.
    signal.signal(signal.SIGTERM, _interrupt)
    options = parser().parse_args(arguments)
    if options.list_failpoints:
        print("\n".join(failpoints.STEPS))
        return 0
    if not options.command:
        parser().print_usage(sys.stderr)
        return 2
    try:
        return _COMMANDS[options.command](options) or 0
    except UsageError as error:
        progress.complain(str(error))
        return 2
    except MlenvError as error:
        progress.complain(str(error))
        return 1
    except OSError as error:
        message = advice(error)
        if message is None:
            raise
        progress.complain(message)
        return 1
    except KeyboardInterrupt:
        progress.complain("interrupted; the next run cleans up and starts again")
        return 1


def _init(options: argparse.Namespace) -> None:
    initialise(options.store, options.data, options.owner)
    progress.say(f"store {options.store} is ready")


def _populate(options: argparse.Namespace) -> None:
    if options.lock != "-":
        raise UsageError(f"--lock {options.lock!r}: only '-' is known, the lock comes on standard input")
    request = PopulateRequest(
        key=options.key,
        lock=_standard_input(),
        python=options.python,
        imports=tuple(options.imports),
        indexes=_indexes(options),
    )
    populate(Store.open(options.store), request)


def _verify(options: argparse.Namespace) -> int:
    store = Store.open(options.store)
    clock = progress.Clock()
    findings = [verify(store, target, full=options.full) for target in options.targets or everything(store)]
    intact = all(finding.ok for finding in findings)
    if options.json:
        print(
            json.dumps({"ok": intact, "full": options.full, "targets": [item.to_json() for item in findings]}, indent=1)
        )
        return 0 if intact else 1
    for finding in findings:
        problems = finding.problems()
        state = "intact" if finding.ok else progress.number(len(problems), "problem")
        progress.say(f"{finding.target}: {finding.describe()}, {state}")
        for problem in problems[:SHOWN_PROBLEMS]:
            progress.say(f"  {problem}")
        if len(problems) > SHOWN_PROBLEMS:
            progress.say(f"  ... and {len(problems) - SHOWN_PROBLEMS} more; --json lists them all")
    how = "names, sizes, modes and hashes" if options.full else "names, sizes and modes"
    progress.say(f"checked {how} of {progress.number(len(findings), 'target')} in {clock}")
    if not intact:
        broken = ", ".join(finding.target for finding in findings if not finding.ok)
        raise MlenvError(
            f"not as it was put in place: {broken}. "
            "Stop the servers that use it, remove it from the store, and deploy again."
        )
    return 0


def _lock(options: argparse.Namespace) -> None:
    write_locks(
        LockRequest(
            minimal=options.minimal,
            ml=options.ml,
            also=tuple(options.also),
            output=options.output,
            platform=options.platform,
            upgrade=options.upgrade,
            indexes=_indexes(options),
            scratch=options.scratch,
        )
    )


def _indexes(options: argparse.Namespace) -> Indexes:
    if options.wheelhouse and not options.wheelhouse.is_dir():
        raise UsageError(f"--wheelhouse {options.wheelhouse}: there is no such directory")
    return Indexes(options.index, tuple(options.extra_index), options.wheelhouse)


def _standard_input() -> str:
    """The text as it came, with the line ends that its hash was taken over."""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the lock on standard input is not UTF-8 text: {error}") from error


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


_COMMANDS = {
    "init": _init,
    "populate": _populate,
    "fetch": supply.fetch,
    "verify": _verify,
    "hold": upkeep.hold,
    "collect": upkeep.collect,
    "prune": upkeep.prune,
    "list": upkeep.show,
    "purge": upkeep.purge,
    "record": upkeep.record,
    "resolve": supply.resolve,
    "export": supply.export,
    "import": supply.take_in,
    "lock": _lock,
}
