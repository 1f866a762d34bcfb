"""The options of the command line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import mlenv

from ..core.errors import UsageError
from ..core.failpoints import VARIABLE
from ..environments.resolve import PLATFORM
from ..environments.uv import Indexes
from ..hub.download import DownloadOptions


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` is the name of the command, or None."""
    top = argparse.ArgumentParser(prog="mlenv", description=mlenv.__doc__, allow_abbrev=False)
    top.add_argument("--list-failpoints", action="store_true", help=f"print the steps that {VARIABLE} may name")
    commands = top.add_subparsers(dest="command")
    _init(_command(commands, "init", "make a store, or complete one"))
    _populate(_command(commands, "populate", "put one environment in place"))
    _fetch(_command(commands, "fetch", "put one model snapshot in place; a token comes in HF_TOKEN"))
    _verify(_command(commands, "verify", "compare the store with its manifests"))
    _repair(_command(commands, "repair", "repair what differs from its manifest; a token comes in HF_TOKEN"))
    _stack(_command(commands, "hold", "add GC roots of a stack: {images, environments, models} on stdin"))
    _collect(_command(commands, "collect", "replace the GC roots of a stack, then remove what nothing needs"))
    _prune(_command(commands, "prune", "remove what nothing needs: {mounted, root, images} on stdin"))
    _list(_command(commands, "list", "show what the store holds, and who uses it"))
    _purge(_command(commands, "purge", "remove the store: {mounted, root} on stdin"))
    _resolve(
        commands.add_parser("resolve", help="print the commit that a branch of a model stands for", allow_abbrev=False)
    )
    _export(_command(commands, "export", "write environments and models as one stream, for hosts without network"))
    _import(_command(commands, "import", "import such a stream from standard input"))
    _model(_command(commands, "record", "record the baseline of a model, on stdin"))
    _lock(
        commands.add_parser(
            "lock", help="resolve requirement lists together and write the lock files", allow_abbrev=False
        )
    )
    return top


def _init(command: argparse.ArgumentParser) -> None:
    _many(command, "--data", "STACK/SERVICE", "directories for the servers' own files")
    command.add_argument(
        "--owner", metavar="UID:GID", type=_owner, default=(10001, 10001), help="who owns them (default: 10001:10001)"
    )


def _populate(command: argparse.ArgumentParser) -> None:
    command.add_argument("--key", required=True, help="name of the environment, derived from its content")
    command.add_argument("--lock", required=True, metavar="-", help="the lock file, on standard input")
    command.add_argument(
        "--lock-sha256", type=_sha256, metavar="HEX", help="sha256 that the lock file must have (default: any)"
    )
    command.add_argument(
        "--python", default="cp311", help="interpreter that the lock file is for (default: %(default)s)"
    )
    _many(command, "--import", "MODULE", "modules that must be importable", dest="imports")
    _indexes(command)


def _fetch(command: argparse.ArgumentParser) -> None:
    _model(command)
    _hub(command)
    command.add_argument("--connections", type=_positive, default=4, metavar="N", help="for a large file (default: 4)")
    command.add_argument(
        "--part-size",
        type=_positive,
        default=DownloadOptions.part_bytes,
        metavar="BYTES",
        help="of a large file; a kill costs at most this times the connections (default: %(default)s)",
    )
    command.add_argument("--archive", metavar="-", help="read the files from a tar on standard input, not from a hub")


def _resolve(command: argparse.ArgumentParser) -> None:
    command.add_argument("--repo", required=True, metavar="ORG/NAME")
    command.add_argument("--revision", default="main", metavar="BRANCH", help="branch, tag or commit (default: main)")
    _hub(command)


def _hub(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--endpoint", default="https://huggingface.co", metavar="URL", help="hub to use (default: %(default)s)"
    )
    _many(
        command,
        "--mirror",
        "URL",
        "hubs to try when it fails; the same hashes are required, the token is not sent to them",
    )
    command.add_argument(
        "--timeout",
        type=_positive,
        default=30,
        metavar="SECONDS",
        help="a connection silent for so long counts as broken (30)",
    )
    _many(command, "--allow", "PATTERN", "download these files instead of the usual ones")
    _many(command, "--ignore", "PATTERN", "leave these files out")


def _verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("--full", action="store_true", help="read every file and compare its hash")
    command.add_argument(
        "--repair", action="store_true", help="then repair what is damaged; takes the options of repair"
    )
    _repair(command)


def _repair(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document as the last line")
    command.add_argument(
        "--lock", metavar="-", help="for environments that keep no lock file: the lock file, on standard input"
    )
    command.add_argument("--archive", metavar="-", help="for a model from a directory: a tar on standard input")
    command.add_argument("--endpoint", metavar="URL", help="hub to use (default: the one that a model came from)")
    _many(command, "--mirror", "URL", "hubs to try when it fails; the same hashes are required")
    _indexes(command)
    command.add_argument(
        "targets", nargs="*", metavar="TARGET", help="envs/KEY or models/ORG/NAME@COMMIT (default: all)"
    )


def _stack(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--stack", required=True, metavar="PROJECT-STACK", help="the stack that the GC roots belong to"
    )


def _collect(command: argparse.ArgumentParser) -> None:
    _stack(command)
    _report(command)


def _prune(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    _many(command, "--forget", "PROJECT-STACK", "stacks whose GC roots are dropped")
    _report(command)


def _report(command: argparse.ArgumentParser) -> None:
    _many(command, "--also-references", "DIR", "GC roots of other stores, for images only", type=Path)
    command.add_argument("--json", action="store_true", help="print a report as the last line")


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _purge(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", action="store_true", help="the servers' own files too")
    command.add_argument("--dry-run", action="store_true", help="only show what would be removed")


def _model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--repo", required=True, metavar="ORG/NAME")
    command.add_argument("--revision", required=True, metavar="COMMIT", help="40 hex digits")


def _export(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", required=True, metavar="-", help="the stream, on standard output")
    command.add_argument(
        "targets", nargs="*", metavar="TARGET", help="envs/KEY or models/ORG/NAME@COMMIT (default: all)"
    )


def _import(command: argparse.ArgumentParser) -> None:
    command.add_argument("--expect", metavar="NAME", help="the name that export printed: 64 hex digits")


def _lock(command: argparse.ArgumentParser) -> None:
    command.add_argument("--minimal", type=Path, required=True, metavar="FILE", help="what the image carries (.in)")
    command.add_argument("--ml", type=Path, required=True, metavar="FILE", help="what environments carry (.in)")
    _many(command, "--also", "FILE", "lists to resolve at the same versions (.in)", type=Path)
    command.add_argument("--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--platform", default=PLATFORM, help="uv's name of the platform (default: %(default)s)")
    command.add_argument("--upgrade", action="store_true", help="ignore the versions of the existing lock files")
    command.add_argument(
        "--scratch", type=Path, metavar="DIR", help="for the downloaded wheels, 7 GB (default: a temporary one)"
    )
    _indexes(command)


def _indexes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--index", metavar="URL", help="package index (default: uv's)")
    _many(command, "--extra-index", "URL", "indexes that are searched first")
    command.add_argument(
        "--wheelhouse", type=Path, metavar="DIR", help="directory of wheels, used instead of any index"
    )


def indexes_of(options: argparse.Namespace) -> Indexes:
    """The package indexes of a command line. Raises UsageError."""
    if options.wheelhouse and not options.wheelhouse.is_dir():
        raise UsageError(f"--wheelhouse {options.wheelhouse}: there is no such directory")
    return Indexes(options.index, tuple(options.extra_index), options.wheelhouse)


def _command(commands, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, allow_abbrev=False)
    command.add_argument("--store", type=Path, required=True, metavar="DIR")
    return command


def _many(command: argparse.ArgumentParser, flag: str, metavar: str, text: str, **options) -> None:
    command.add_argument(flag, metavar=metavar, nargs="+", action="extend", default=[], help=text, **options)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above 0")
    return int(text)


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 64 lowercase hex digits")
    return text


def _owner(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    if not (uid.isdigit() and gid.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected UID:GID, two numbers")
    return int(uid), int(gid)
