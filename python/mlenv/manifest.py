"""Manifests: what an environment or a snapshot consists of, where it came from and how it was proven."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from . import TOOL_VERSION
from .durable import write_text
from .errors import MlenvError
from .files import FileEntry

FORMAT = 1
DIRECTORY = ".mlenv"
"""Holds the manifest of an environment, inside the environment; it lists everything but itself."""


def now() -> str:
    """The current time in UTC, as manifests record it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_environment(base: Path, summary: dict, files: Iterable[FileEntry]) -> dict:
    """Write both parts below a user base; returns the summary as written."""
    directory = base / DIRECTORY
    directory.mkdir(mode=0o755)
    entries = list(files)
    table = "".join(f"{entry.sha256}\t{entry.size}\t{entry.mode:04o}\t{entry.path}\n" for entry in entries)
    write_text(directory / "files.tsv", table)
    complete = {
        "format": FORMAT,
        "kind": "environment",
        "tool": TOOL_VERSION,
        "created": now(),
        **summary,
        "files": len(entries),
        "bytes": sum(entry.size for entry in entries),
        "filesSha256": hashlib.sha256(table.encode()).hexdigest(),
    }
    write_text(directory / "manifest.json", json.dumps(complete, indent=1) + "\n")
    return complete


def read_environment(base: Path) -> dict:
    """The summary of an environment. Raises MlenvError if there is none, or none that this tool understands."""
    return _read(base / DIRECTORY / "manifest.json", "environment")


def read_environment_files(base: Path, summary: dict) -> list[FileEntry]:
    """The files of an environment, after checking that the list is the one that the summary vouches for."""
    path = base / DIRECTORY / "files.tsv"
    try:
        table = path.read_bytes()
    except FileNotFoundError:
        raise MlenvError(f"{path} is missing") from None
    if hashlib.sha256(table).hexdigest() != summary.get("filesSha256"):
        raise MlenvError(f"{path} was changed: its sha256 is not the one in manifest.json")
    entries = []
    for line in table.decode().splitlines():
        digest, size, mode, name = line.split("\t")
        entries.append(FileEntry(name, int(size), int(mode, 8), digest))
    return entries


def write_snapshot(path: Path, summary: dict, files: Iterable[FileEntry]) -> dict:
    """Write the manifest of a model snapshot; returns it as written. The files lie in one list: there are few."""
    entries = list(files)
    complete = {
        "format": FORMAT,
        "kind": "model",
        "tool": TOOL_VERSION,
        "created": now(),
        **summary,
        "bytes": sum(entry.size for entry in entries),
        "files": [
            {"path": entry.path, "size": entry.size, "mode": f"{entry.mode:04o}", "sha256": entry.sha256}
            for entry in entries
        ],
    }
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_text(path, json.dumps(complete, indent=1) + "\n")
    return complete


def read_snapshot(path: Path) -> tuple[dict, list[FileEntry]]:
    """The manifest of a snapshot and its files."""
    summary = _read(path, "model")
    files = [FileEntry(item["path"], item["size"], int(item["mode"], 8), item["sha256"]) for item in summary["files"]]
    return summary, files


def _read(path: Path, kind: str) -> dict:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MlenvError(f"{path} is missing") from None
    except ValueError as error:
        raise MlenvError(f"{path} is damaged: {error}") from error
    if summary.get("kind") != kind or summary.get("format") != FORMAT:
        raise MlenvError(
            f"{path} is a manifest of kind {summary.get('kind')!r} and format {summary.get('format')!r}; "
            f"this tool expects {kind!r} and {FORMAT}"
        )
    return summary
