"""Manifests: what an environment or a snapshot consists of, where it came from and how it was verified.

A manifest is sealed: its last entry is the sha256 of everything before it, so that a change is detected. The copy
beside it is for repairs. Manifests of earlier versions have neither a seal nor a copy, and are accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from .. import TOOL_VERSION
from ..core.durable import write_text
from ..core.errors import MlenvError
from .files import FileEntry

FORMAT = 1
DIRECTORY = ".mlenv"
"""Holds the metadata of an environment, inside the environment. The manifest lists everything else."""

MANIFEST, FILES, LOCK = "manifest.json", "files.tsv", "lock.txt"
"""The metadata files. The lock file is kept so that a damaged package can be downloaded again."""

COPIES = "copies"
"""Holds a copy of each of them."""

COPY = f"{COPIES}/{MANIFEST}"

HASHED = "hashed"
"""The key of an environment's manifest that says since when its files are as listed: no file was hashed before."""


def now() -> str:
    """The current time in UTC, as manifests record it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_environment(base: Path, summary: dict, files: Iterable[FileEntry], lock: str) -> dict:
    """Write the metadata of a user base; returns the summary as written."""
    directory = base / DIRECTORY
    for place in (directory, directory / COPIES):
        place.mkdir(mode=0o755)
    entries = list(files)
    text = table(entries)
    complete = _sealed(
        {
            "format": FORMAT,
            "kind": "environment",
            "tool": TOOL_VERSION,
            "created": now(),
            **summary,
            "files": len(entries),
            "bytes": sum(entry.size for entry in entries),
            "filesSha256": hashlib.sha256(text.encode()).hexdigest(),
        }
    )
    for place in (directory / COPIES, directory):
        write_text(place / FILES, text)
        write_text(place / LOCK, lock)
        write_text(place / MANIFEST, render(complete))
    return complete


def table(entries: Iterable[FileEntry]) -> str:
    """The text of files.tsv: sha256, size, mode and path of each file."""
    return "".join(f"{entry.sha256}\t{entry.size}\t{entry.mode:04o}\t{entry.path}\n" for entry in entries)


def parse_table(text: str) -> list[FileEntry]:
    """The files that a files.tsv lists. Raises ValueError if it is malformed."""
    entries = []
    for line in text.splitlines():
        digest, size, mode, path = line.split("\t")
        entries.append(FileEntry(path, int(size), int(mode, 8), digest))
    return entries


def render(document: dict) -> str:
    """The text of a manifest."""
    return json.dumps(document, indent=1) + "\n"


def read_environment(base: Path) -> dict:
    """The summary of an environment. Raises MlenvError if there is none, or none that this tool understands."""
    return read(base / DIRECTORY / MANIFEST, "environment")


def read_environment_files(base: Path, summary: dict) -> list[FileEntry]:
    """The files of an environment. Raises MlenvError if their list does not have the hash that the summary states."""
    return parse_table(read_table(base, summary).decode())


def read_table(base: Path, summary: dict) -> bytes:
    """The text of files.tsv. Raises MlenvError if it does not have the hash that the summary states."""
    path = base / DIRECTORY / FILES
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise MlenvError(f"{path} is missing") from None
    if hashlib.sha256(text).hexdigest() != summary.get("filesSha256"):
        raise MlenvError(f"{path} was changed: its sha256 is not the one in {MANIFEST}")
    return text


def write_snapshot(path: Path, summary: dict, files: Iterable[FileEntry]) -> dict:
    """Write the manifest of a model snapshot; returns it as written. It contains the list of files, which is short."""
    entries = list(files)
    complete = _sealed(
        {
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
    )
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    for place in (snapshot_copy(path), path):
        write_text(place, render(complete))
    return complete


def snapshot_copy(path: Path) -> Path:
    """Where the copy of a snapshot's manifest lies."""
    return path.with_suffix(".copy.json")


def read_snapshot(path: Path) -> tuple[dict, list[FileEntry]]:
    """The manifest of a snapshot and its files."""
    summary = read(path, "model")
    return summary, entries_of(summary)


def entries_of(summary: dict) -> list[FileEntry]:
    """The files that the manifest of a snapshot lists."""
    return [FileEntry(item["path"], item["size"], int(item["mode"], 8), item["sha256"]) for item in summary["files"]]


def read(path: Path, kind: str) -> dict:
    """A manifest of one kind, `environment` or `model`, checked by its seal. Raises MlenvError."""
    try:
        text = path.read_bytes().decode()
        summary = json.loads(text)
    except FileNotFoundError:
        raise MlenvError(f"{path} is missing") from None
    except ValueError as error:
        raise MlenvError(f"{path} is damaged: {error}") from error
    if not isinstance(summary, dict) or summary.get("kind") != kind or summary.get("format") != FORMAT:
        described = summary if not isinstance(summary, dict) else (summary.get("kind"), summary.get("format"))
        raise MlenvError(f"{path} is a manifest of kind and format {described!r}; expected {(kind, FORMAT)!r}")
    # Unsealed manifests end with the entry that earlier versions wrote last.
    if render(summary) != text or (not is_sealed(summary) and list(summary)[-1] not in ("filesSha256", "files")):
        raise MlenvError(f"{path} was changed: it is not as this tool writes it")
    if is_sealed(summary) and _sealed(summary) != summary:
        raise MlenvError(f"{path} was changed: its seal does not match")
    return summary


def is_sealed(summary: dict) -> bool:
    """Whether a manifest has a seal, and therefore a copy and, for an environment, a lock file beside it."""
    return "seal" in summary


def _sealed(summary: dict) -> dict:
    document = {name: value for name, value in summary.items() if name != "seal"}
    return document | {"seal": hashlib.sha256(render(document).encode()).hexdigest()}
