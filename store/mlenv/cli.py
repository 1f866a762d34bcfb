"""The command line: reads arguments, calls the work, turns its errors into messages and exit statuses."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from . import checks, failpoints, progress, supply, upkeep
from .arguments import indexes_of, parser, text_on_stdin
from .errors import MlenvError, UsageError, advice
from .initialise import initialise
from .lock import LockRequest, write_locks
from .populate import PopulateRequest, populate
from .store import Store


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
        progress.complain("interrupted; nothing half-made can be seen, run this again")
        return 1


def _init(options: argparse.Namespace) -> None:
    initialise(options.store, options.data, options.owner)
    progress.say(f"store {options.store} is ready")


def _populate(options: argparse.Namespace) -> None:
    if options.lock != "-":
        raise UsageError(f"--lock {options.lock!r}: only '-' is known, the lock comes on standard input")
    request = PopulateRequest(
        key=options.key,
        lock=text_on_stdin(),
        planned_sha256=options.lock_sha256,
        python=options.python,
        imports=tuple(options.imports),
        indexes=indexes_of(options),
    )
    populate(Store.open(options.store), request)


def _lock(options: argparse.Namespace) -> None:
    write_locks(
        LockRequest(
            minimal=options.minimal,
            ml=options.ml,
            also=tuple(options.also),
            output=options.output,
            platform=options.platform,
            upgrade=options.upgrade,
            indexes=indexes_of(options),
            scratch=options.scratch,
        )
    )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


_COMMANDS = {
    "init": _init,
    "populate": _populate,
    "fetch": supply.fetch,
    "verify": checks.check,
    "repair": checks.mend,
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
