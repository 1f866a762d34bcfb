"""The command line: reads the arguments, runs the command, turns its errors into messages and exit statuses."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from ..core import failpoints, progress
from ..core.errors import MlenvError, advice
from .arguments import parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 1 on failure, 2 for wrong usage, 3 for damage in the store."""
    os.umask(0o022)
    # The first process of a container ignores SIGTERM by default. Ending anywhere is safe: nothing incomplete is
    # visible.
    signal.signal(signal.SIGTERM, _interrupt)
    options = parser().parse_args(arguments)
    if options.list_failpoints:
        print("\n".join(failpoints.STEPS))
        return 0
    if not options.command:
        parser().print_usage(sys.stderr)
        return 2
    try:
        return _command(options.command)(options) or 0
    except MlenvError as error:
        progress.error(str(error))
        return error.status
    except OSError as error:
        message = advice(error)
        if message is None:
            raise
        progress.error(message)
        return 1
    except KeyboardInterrupt:
        progress.error("interrupted; nothing incomplete is visible. Run this again")
        return 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _command(name: str) -> Callable[..., int | None]:
    """The function of a command. Only its module is imported: together they take longer than most commands."""
    module, function = _COMMANDS[name]
    return getattr(import_module(f".commands.{module}", __package__), function)


_COMMANDS = {
    "init": ("store", "init"),
    "populate": ("environments", "populate"),
    "fetch": ("models", "fetch"),
    "verify": ("verify", "verify"),
    "repair": ("verify", "repair"),
    "hold": ("gc", "hold"),
    "collect": ("gc", "collect"),
    "prune": ("gc", "prune"),
    "list": ("store", "list_"),
    "purge": ("store", "purge"),
    "record": ("models", "record"),
    "resolve": ("models", "resolve"),
    "export": ("bundle", "export"),
    "import": ("bundle", "import_"),
    "lock": ("environments", "lock"),
}
