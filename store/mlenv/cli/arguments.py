"""The commands and options of the command line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import mlenv

from ..core.failpoints import VARIABLE
from ..environments import interpreter
from ..hub.download_options import DownloadOptions


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` is the name of the command, or None."""
    top = argparse.ArgumentParser(prog="mlenv", description=mlenv.__doc__, allow_abbrev=False)
    top.add_argument("--list-failpoints", action="store_true", help=f"print the steps that {VARIABLE} may name")
    commands = top.add_subparsers(dest="command")
    _init(_store_command(commands, "init", "create a store, or add the directories that one lacks"))
    _populate(_store_command(commands, "populate", "put one environment in place"))
    _fetch(_store_command(commands, "fetch", "put one model snapshot in place; HF_TOKEN holds the token"))
    _verify(_store_command(commands, "verify", "compare the store with its manifests"))
    _repair(_store_command(commands, "repair", "repair what differs from its manifest; HF_TOKEN holds the token"))
    _hold(_store_command(commands, "hold", "add GC roots of a stack: {images, environments, models} on stdin"))
    _collect(
        _store_command(
            commands,
            "collect",
            "replace the GC roots of a stack, then remove what nothing needs: {keep, mounted, root} on stdin",
        )
    )
    _prune(_store_command(commands, "prune", "remove what nothing needs: {mounted, root, images} on stdin"))
    _list(_store_command(commands, "list", "show what the store holds, and which stacks use it"))
    _purge(_store_command(commands, "purge", "remove the store: {mounted, root} on stdin"))
    _resolve(_command(commands, "resolve", "print the commit that a branch of a model points to"))
    _export(_store_command(commands, "export", "write a bundle: environments and models as one stream"))
    _import(_store_command(commands, "import", "import a bundle from standard input"))
    _record(_store_command(commands, "record", "record the baseline of a model, given on stdin"))
    _lock(_command(commands, "lock", "resolve requirement lists together and write the lock files"))
    return top


def _init(command: argparse.ArgumentParser) -> None:
    _list_option(command, "--data", "STACK/SERVICE", "directories for the servers' own files")
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
        "--python", default=interpreter.TAG, help="interpreter that the lock file is for (default: %(default)s)"
    )
    _list_option(command, "--import", "MODULE", "modules that must be importable", dest="imports")
    _index_options(command)


def _fetch(command: argparse.ArgumentParser) -> None:
    _model_options(command)
    _hub_options(command)
    command.add_argument(
        "--connections",
        type=_positive,
        default=DownloadOptions.connections,
        metavar="N",
        help="parallel connections for a large file (default: %(default)s)",
    )
    command.add_argument(
        "--part-size",
        type=_positive,
        default=DownloadOptions.part_bytes,
        metavar="BYTES",
        help="size of the parts of a large file; a killed run loses at most one part per connection "
        "(default: %(default)s)",
    )
    command.add_argument("--archive", metavar="-", help="read the files from a tar on standard input, not from a hub")


def _resolve(command: argparse.ArgumentParser) -> None:
    command.add_argument("--repo", required=True, metavar="ORG/NAME")
    command.add_argument("--revision", default="main", metavar="BRANCH", help="branch, tag or commit (default: main)")
    _hub_options(command)


def _hub_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--endpoint", default="https://huggingface.co", metavar="URL", help="hub to use (default: %(default)s)"
    )
    _list_option(
        command,
        "--mirror",
        "URL",
        "hubs to try when the endpoint fails; the same hashes are required, the token is not sent to them",
    )
    command.add_argument(
        "--timeout",
        type=_positive,
        default=30,
        metavar="SECONDS",
        help="a connection that is silent for so long counts as broken (default: %(default)s)",
    )
    _list_option(command, "--allow", "PATTERN", "files to download instead of the default selection")
    _list_option(command, "--ignore", "PATTERN", "files to leave out")


def _verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("--full", action="store_true", help="read every file and compare its hash")
    command.add_argument(
        "--repair", action="store_true", help="then repair what is damaged, with the options of `mlenv repair`"
    )
    _repair(command)


def _repair(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print the result as a JSON document")
    command.add_argument(
        "--lock", metavar="-", help="for environments that keep no lock file: the lock file, on standard input"
    )
    command.add_argument("--archive", metavar="-", help="for a model from a directory: a tar on standard input")
    command.add_argument("--endpoint", metavar="URL", help="hub to use (default: the one that a model came from)")
    _list_option(command, "--mirror", "URL", "hubs to try when the endpoint fails; the same hashes are required")
    _index_options(command)
    _target_arguments(command)


def _hold(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--stack", required=True, metavar="PROJECT-STACK", help="the stack that the GC roots belong to"
    )


def _collect(command: argparse.ArgumentParser) -> None:
    _hold(command)
    _removal_options(command)


def _prune(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    _list_option(command, "--forget", "PROJECT-STACK", "stacks whose GC roots are removed first")
    _removal_options(command)


def _removal_options(command: argparse.ArgumentParser) -> None:
    _list_option(
        command,
        "--also-references",
        "DIR",
        "directories with the GC roots of other stores, which keep images only",
        type=Path,
    )
    command.add_argument("--json", action="store_true", help="print a JSON report as the last line")


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _purge(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", action="store_true", help="the servers' own files too")
    command.add_argument("--dry-run", action="store_true", help="only show what would be removed")


def _record(command: argparse.ArgumentParser) -> None:
    _model_options(command)


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--repo", required=True, metavar="ORG/NAME")
    command.add_argument("--revision", required=True, metavar="COMMIT", help="40 hex digits")


def _export(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output", required=True, metavar="-", help="the bundle goes to standard output")
    _target_arguments(command)


def _import(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--expect", metavar="NAME", help="name that the bundle must have, as export printed it: 64 hex digits"
    )


def _lock(command: argparse.ArgumentParser) -> None:
    command.add_argument("--minimal", type=Path, required=True, metavar="FILE", help="what the image carries (.in)")
    command.add_argument(
        "--ml", type=Path, metavar="FILE", help="what environments carry (.in); without it the image needs none"
    )
    _list_option(command, "--also", "FILE", "lists to resolve at the same versions (.in)", type=Path)
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the lock files go")
    command.add_argument(
        "--platform", default=interpreter.PLATFORM, help="uv's name of the platform (default: %(default)s)"
    )
    command.add_argument(
        "--accelerator",
        choices=("cuda", "cpu"),
        default="cuda",
        help="what the lock file may hold: with cpu, no package of CUDA (default: %(default)s)",
    )
    command.add_argument("--torch-index", metavar="URL", help="index of torch, torchvision and torchaudio alone")
    command.add_argument(
        "--exclude-newer",
        type=_day,
        metavar="DAY",
        help="only packages published until the end of this day fit: YYYY-MM-DD",
    )
    command.add_argument("--upgrade", action="store_true", help="ignore the versions of the existing lock files")
    command.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="directory for the downloaded wheels, 7 GB (default: a temporary one)",
    )
    _index_options(command)


def _index_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--index", metavar="URL", help="package index (default: uv's)")
    _list_option(command, "--extra-index", "URL", "indexes that are asked first")
    command.add_argument(
        "--wheelhouse", type=Path, metavar="DIR", help="directory of wheels, used instead of any index"
    )


def _target_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "targets", nargs="*", metavar="TARGET", help="envs/KEY or models/ORG/NAME@COMMIT (default: all)"
    )


def _command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, allow_abbrev=False)


def _store_command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    command = _command(commands, name, text)
    command.add_argument("--store", type=Path, required=True, metavar="DIR", help="the directory of the store")
    return command


def _list_option(command: argparse.ArgumentParser, flag: str, metavar: str, text: str, **options: Any) -> None:
    """An option that takes one or more values and may be repeated; its default is an empty list."""
    command.add_argument(flag, metavar=metavar, nargs="+", action="extend", default=[], help=text, **options)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above 0")
    return int(text)


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 64 lowercase hex digits")
    return text


def _day(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a day, YYYY-MM-DD")
    return text


def _owner(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    if not (uid.isdigit() and gid.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: expected UID:GID, two numbers")
    return int(uid), int(gid)
