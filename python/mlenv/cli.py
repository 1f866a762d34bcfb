"""The command line: reads arguments, calls the work, turns its errors into messages and exit statuses."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import failpoints, progress
from .errors import MlenvError, UsageError, is_no_space
from .fetch import FetchRequest, fetch
from .lock import PLATFORM, LockRequest, write_locks
from .populate import PopulateRequest, populate
from .store import Model, Store, initialise
from .uv import Indexes
from .verify import everything, verify

SHOWN_PROBLEMS = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 when it is done, 1 when it failed, 2 when it was asked wrongly."""
    os.umask(0o022)
    # As the first process of a container this one would ignore SIGTERM. It may end anywhere: nothing half-made shows.
    signal.signal(signal.SIGTERM, _interrupt)
    options = _parser().parse_args(arguments)
    if options.list_failpoints:
        print("\n".join(failpoints.STEPS))
        return 0
    if not options.command:
        _parser().print_usage(sys.stderr)
        return 2
    try:
        return options.run(options) or 0
    except UsageError as error:
        progress.complain(str(error))
        return 2
    except MlenvError as error:
        progress.complain(str(error))
        return 1
    except OSError as error:
        if not is_no_space(error):
            raise
        progress.complain(
            f"the disk is full ({error}). Free space on the file system of the store, or move the store (archon:root), "
            "and run this again."
        )
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
        lock=sys.stdin.read(),
        python=options.python,
        imports=tuple(options.imports),
        indexes=_indexes(options),
    )
    populate(Store.open(options.store), request)


def _fetch(options: argparse.Namespace) -> None:
    if options.archive not in (None, "-"):
        raise UsageError(f"--archive {options.archive!r}: only '-' is known, the archive comes on standard input")
    request = FetchRequest(
        model=Model.parse(options.repo, options.revision),
        archive=sys.stdin.buffer if options.archive else None,
        endpoint=options.endpoint,
        token=os.environ.get("HF_TOKEN") or None,
        allow=tuple(options.allow),
        ignore=tuple(options.ignore),
    )
    fetch(Store.open(options.store), request)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlenv", description=f"The store tool. {__doc__}", allow_abbrev=False)
    parser.add_argument(
        "--list-failpoints", action="store_true", help=f"print the steps that {failpoints.VARIABLE} may name"
    )
    commands = parser.add_subparsers(dest="command")

    command = _command(commands, "init", _init, "make a store, or complete one")
    command.add_argument(
        "--data",
        metavar="STACK/SERVICE",
        nargs="+",
        action="extend",
        default=[],
        help="a directory for a server's own files",
    )
    command.add_argument(
        "--owner", metavar="UID:GID", type=_owner, default=(10001, 10001), help="who owns the data directories"
    )

    command = _command(commands, "populate", _populate, "put one environment in place")
    command.add_argument("--key", required=True, help="the name of the environment, derived from its content")
    command.add_argument("--lock", required=True, metavar="-", help="the lock, on standard input")
    command.add_argument(
        "--python", default="cp311", help="the interpreter that the lock is for (default: %(default)s)"
    )
    command.add_argument(
        "--import",
        dest="imports",
        metavar="MODULE",
        nargs="+",
        action="extend",
        default=[],
        help="a module that must be importable",
    )
    _add_indexes(command)

    command = _command(commands, "fetch", _fetch, "put one model snapshot in place; a token comes in HF_TOKEN")
    command.add_argument("--repo", required=True, metavar="ORG/NAME")
    command.add_argument("--revision", required=True, metavar="COMMIT", help="40 hex digits")
    command.add_argument(
        "--endpoint", default="https://huggingface.co", metavar="URL", help="the hub to ask (default: %(default)s)"
    )
    command.add_argument(
        "--allow",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATTERN",
        help="take these files instead of the usual ones",
    )
    command.add_argument(
        "--ignore", nargs="+", action="extend", default=[], metavar="PATTERN", help="leave these files out"
    )
    command.add_argument("--archive", metavar="-", help="take the files from a tar on standard input, not from a hub")

    command = _command(commands, "verify", _verify, "compare the store with its manifests")
    command.add_argument("--full", action="store_true", help="read every file and compare its hash")
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    command.add_argument(
        "targets", nargs="*", metavar="TARGET", help="envs/KEY or models/ORG/NAME@COMMIT (default: all)"
    )

    command = commands.add_parser(
        "lock", help="resolve the requirement lists together and write the lock files", allow_abbrev=False
    )
    command.set_defaults(run=_lock)
    command.add_argument("--minimal", type=Path, required=True, metavar="FILE", help="what the image carries (.in)")
    command.add_argument("--ml", type=Path, required=True, metavar="FILE", help="what environments carry (.in)")
    command.add_argument(
        "--also",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="a list that follows those versions (.in)",
    )
    command.add_argument("--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--platform", default=PLATFORM, help="uv's name of the platform (default: %(default)s)")
    command.add_argument("--upgrade", action="store_true", help="do not keep the versions of the locks that are there")
    command.add_argument(
        "--scratch", type=Path, metavar="DIR", help="takes the wheels, 7 GB (default: a temporary directory)"
    )
    _add_indexes(command)
    return parser


def _command(commands, name: str, run, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, allow_abbrev=False)
    command.add_argument("--store", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=run)
    return command


def _add_indexes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--index", metavar="URL", help="the package index (default: uv's)")
    command.add_argument(
        "--extra-index", metavar="URL", nargs="+", action="extend", default=[], help="searched before the index"
    )
    command.add_argument(
        "--wheelhouse", type=Path, metavar="DIR", help="a directory of wheels, used instead of any index"
    )


def _indexes(options: argparse.Namespace) -> Indexes:
    if options.wheelhouse and not options.wheelhouse.is_dir():
        raise UsageError(f"--wheelhouse {options.wheelhouse}: there is no such directory")
    return Indexes(options.index, tuple(options.extra_index), options.wheelhouse)


def _owner(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    if not (uid.isdigit() and gid.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected UID:GID, two numbers")
    return int(uid), int(gid)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
