"""The parsing process: `python3 -m archon_server.extraction KIND < file` writes the file's text as Markdown."""

import contextlib
import importlib
import logging
import os
import resource
import sys
from collections.abc import Callable, Iterator

from . import CPU_SECONDS, GUESSED, LEFT_OUT, MEMORY_BYTES, PROGRESS, REFUSED, LeftOut, Refused
from .encodings import Encoding

PARSERS = {
    "pdf": "pdf.markdown",
    "zipped": "zipped.markdown",
    "flat_odf": "odf.flat_markdown",
    "rtf": "rtf.markdown",
    "mail": "mail.markdown",
    "html": "html.markdown",
    "rst": "rst.markdown",
}
"""Modules and functions. Only the one that is needed is imported, because that takes time."""

OF_TEXT = ("html", "rst")
"""The others say themselves how their text is encoded."""


def parser(kind: str) -> Callable[..., Iterator[str | int | LeftOut | Encoding]]:
    module, _, function = PARSERS[kind].partition(".")
    return getattr(importlib.import_module(f".{module}", __package__), function)


def main(kind: str, charset: str = "") -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()
    if kind not in PARSERS:
        sys.exit(f"{kind!r} is not one of {', '.join(sorted(PARSERS))}")
    try:
        parse = parser(kind)
        reported, line_is_open = 0, False
        for piece in parse(sys.stdin.buffer, *([charset] if kind in OF_TEXT else [])):
            if isinstance(piece, str):
                sys.stdout.write(piece.replace(PROGRESS, " "))
                line_is_open = not piece.endswith("\n") if piece else line_is_open
            elif isinstance(piece, LeftOut):
                # Parsers say it at the end.
                sys.stdout.write(f"\n{PROGRESS}{LEFT_OUT}{piece.what}\n")
            elif isinstance(piece, Encoding):
                sys.stdout.write(f"{PROGRESS}{GUESSED}{piece.name} {piece.confidence}\n")
            elif piece > reported and not line_is_open:
                sys.stdout.write(f"{PROGRESS}{piece}\n")
                reported = piece
        sys.stdout.flush()
    except Refused as error:
        print(error, file=sys.stderr)
        return REFUSED
    except MemoryError:
        print(f"it needs more than {MEMORY_BYTES // 1024**2} MiB of memory", file=sys.stderr)
        return 1
    except Exception as error:
        print(f"it is damaged ({type(error).__name__}: {' '.join(str(error).split())[:200]})", file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # At once, without cleaning up what a parser left behind.
    os._exit(status)
