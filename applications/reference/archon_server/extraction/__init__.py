"""Text out of files, as lines of Markdown.

What has to be parsed is parsed in a process of its own, with limits on its memory and time and without the server's
secrets: a hostile file ends that process, never the server.
"""

import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO, TextIO

from ..process import subprocesses

ALLOWED = (
    "PDF (.pdf), Word (.docx), HTML, and text in UTF-8: Markdown, plain text, source code, configuration, CSV and the "
    "like"
)
MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 180
TEXT_BYTES = 256 * 1024 * 1024
"""Most text that one file may hold, unpacked."""

REFUSED = 3
"""Exit status of the parsing process when its last line says what is wrong with the file."""

PROGRESS = "\x1e"
"""First character of a line that is no text but says how far the parsing is, in percent."""

LINE_SIZE = 8192
_MARKDOWN = {"", ".md", ".markdown", ".mdx", ".rst", ".txt"}
_HTML = {".html", ".htm", ".xhtml"}
_OLE = b"\xd0\xcf\x11\xe0"


class UnreadableFile(Exception):
    """The file is not what this server can store; the message says what it can."""


class Refused(Exception):
    """The file is not taken; the message goes behind its name."""


@dataclass(frozen=True)
class Line:
    """A line, or a part of a long one, and how much of the file has been read by then, in percent."""

    text: str
    percent: int


def is_markdown(filename: str) -> bool:
    """Whether `#` and fences have a meaning in what `lines` yields for this file."""
    suffix = PurePath(filename).suffix.lower()
    return suffix in _MARKDOWN or _parser(filename, b"") is not None


def lines(file: BinaryIO, filename: str, size: int) -> Iterator[Line]:
    """The text of the file, which is at its start. Raises UnreadableFile."""
    # Past the file's buffer, as the parsing process has to start where the descriptor is.
    start = os.pread(file.fileno(), 8, 0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    if start.startswith(_OLE):
        raise UnreadableFile(f"{filename} is in an old format of Office; save it as .docx. Allowed is {ALLOWED}")
    parser = _parser(filename, start)
    if parser is None:
        yield from _text(file, filename, size)
    else:
        yield from _parsed(parser, file, filename)


def _parser(filename: str, start: bytes) -> str | None:
    """Which parser a file needs: by what it starts with, as names lie, then by its name."""
    suffix = PurePath(filename).suffix.lower()
    if start.startswith(b"%PDF-") or suffix == ".pdf":
        return "pdf"
    if suffix == ".docx":
        return "docx"
    return "html" if suffix in _HTML else None


def _text(file: BinaryIO, filename: str, size: int) -> Iterator[Line]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig")
    try:
        while line := text.readline(LINE_SIZE):
            if "\0" in line:
                raise UnreadableFile(f"{filename} is not text: it has zero bytes in it; allowed is {ALLOWED}")
            yield Line(line, 100 * file.tell() // max(size, 1))
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{filename} is not text in UTF-8 ({error.reason}); allowed is {ALLOWED}") from error
    finally:
        # The wrapper would close the file with itself.
        text.detach()


def _parsed(parser: str, file: BinaryIO, filename: str) -> Iterator[Line]:
    percent = received = 0
    with tempfile.TemporaryFile("w+") as errors, _process(parser, file, errors) as process:
        assert process.stdout
        while line := process.stdout.readline(LINE_SIZE):
            if line.startswith(PROGRESS):
                percent = int(line[1:])
                continue
            received += len(line)
            if received > TEXT_BYTES:
                raise UnreadableFile(f"{filename} holds more than {TEXT_BYTES} bytes of text; split it")
            yield Line(line, percent)
        status = process.wait()
        if status:
            errors.seek(0)
            last = errors.read().strip().rpartition("\n")[2]
            problem = last if status == REFUSED else f"it could not be parsed within the limits ({last or status})"
            raise UnreadableFile(f"{filename}: {problem}; allowed is {ALLOWED}")


@contextmanager
def _process(parser: str, file: BinaryIO, errors: TextIO) -> Iterator[subprocess.Popen[str]]:
    process = subprocesses.start(__name__, parser, stdin=file, stdout=subprocess.PIPE, stderr=errors)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def plain(line: str) -> str:
    """A line of text whose start would make it a heading or a fence, indented so that it is neither."""
    bare = line.lstrip()
    return f"    {bare}" if bare.startswith(("#", "```", "~~~")) else line
