"""What commands read from standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import BinaryIO

from ..core.errors import UsageError


def lock_on_stdin() -> str:
    """The lock file on standard input, with its line ends unchanged, since its hash covers them. Raises UsageError."""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the lock file on standard input is not UTF-8 text: {error}") from error


def json_on_stdin(allowed: Sequence[str] = ()) -> dict:
    """The JSON object on standard input. Raises UsageError, also for names that are not among the allowed ones."""
    try:
        document = json.loads(sys.stdin.buffer.read())
    except ValueError as error:
        raise UsageError(f"standard input is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"standard input: expected a JSON object, got {type(document).__name__}")
    unknown = sorted(document.keys() - set(allowed)) if allowed else []
    if unknown:
        raise UsageError(f"standard input: unknown names {', '.join(unknown)}; known are {', '.join(allowed)}")
    return document


def drain(stream: BinaryIO) -> None:
    """Read to the end: a process that writes into a closed pipe is killed by SIGPIPE."""
    while stream.read(1 << 20):
        pass
