"""Extracts the text of files, as lines of Markdown.

Files that need a parser are parsed in a process of its own, with limits on memory and time and without the server's
secrets. A hostile file can kill that process, but not the server.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO, TextIO

from ..process import subprocesses
from . import encodings
from .encodings import Encoding

ALLOWED = "PDF (.pdf), Word (.docx), HTML, and text: Markdown, plain text, source code, configuration, CSV and the like"
SAVE_AS = {
    **dict.fromkeys((".rtf", ".odt", ".fodt", ".ott", ".pages", ".wpd"), "save it as .docx or PDF"),
    **dict.fromkeys((".eml", ".mbox"), "save the message as text or HTML, and upload attachments by themselves"),
    **dict.fromkeys((".mht", ".mhtml"), "save the page as HTML"),
    **dict.fromkeys((".epub", ".mobi", ".azw3"), "convert the book to HTML or PDF"),
    **dict.fromkeys((".pptx", ".pptm", ".odp"), "save the slides as PDF"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".ods", ".numbers"), "save each sheet as CSV"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".7z", ".rar"), "unpack it and upload its files"),
}
"""Formats that are no text, or whose text is markup that nobody would search for, and what to do with them."""

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 180
TEXT_BYTES = 256 * 1024 * 1024
"""The largest text that one file may contain, decompressed."""

REFUSED = 3
"""Exit status of the parsing process if the last line of its standard error says what is wrong with the file."""

PROGRESS = "\x1e"
"""First character of a line that is not text but the progress of the parsing, in percent."""

LEFT_OUT = "!"
"""Second character, after PROGRESS, of a line that names something that the parser left out."""

GUESSED = "="
"""As LEFT_OUT, of a line with the name of an encoding that was guessed and its confidence."""

LINE_SIZE = 8192
_MARKDOWN = {"", ".md", ".markdown", ".mdx", ".txt"}
_HTML = {".html", ".htm", ".xhtml"}
_WORD = {".docx", ".docm", ".dotx", ".dotm"}
PDF_HEADER = b"%PDF-"
_RTF = b"{\\rtf"
_OLE = b"\xd0\xcf\x11\xe0"


class UnreadableFile(Exception):
    """This server cannot read the file; the message says what it can read."""


class Refused(Exception):
    """A parser cannot read the file; the message completes a sentence that starts with the file's name."""


@dataclass(frozen=True)
class LeftOut:
    """Something that is in the file but not in its text, such as `images (2)`. Parsers yield it."""

    what: str


@dataclass(frozen=True)
class Line:
    """A line, or a part of a long one, and how much of the file has been read so far, in percent."""

    text: str
    percent: int
    left_out: str = ""
    """What the file contains beside its text; such a line has no text."""
    guessed: Encoding | None = None
    """The encoding of the file, if it had to be guessed; such a line has no text."""


def is_markdown(filename: str) -> bool:
    """Whether `lines` yields Markdown for this file, so that `#` and fences have a meaning."""
    suffix = PurePath(filename).suffix.lower()
    return suffix in _MARKDOWN or _parser(filename, b"") is not None


def lines(file: BinaryIO, filename: str, size: int, charset: str = "") -> Iterator[Line]:
    """The text of the file, which must be at its start. Raises UnreadableFile.

    `charset` is the encoding that the client named, if any; it counts for text and HTML.
    """
    unreadable = 0
    for line in _lines(file, filename, size, charset):
        unreadable += line.text.count(encodings.UNREADABLE)
        yield line
    if unreadable:
        yield Line("", 100, f"characters that cannot be read, stored as {encodings.UNREADABLE} ({unreadable})")


def _lines(file: BinaryIO, filename: str, size: int, charset: str) -> Iterator[Line]:
    # Without the file's buffer, because the parsing process starts where the descriptor is.
    start = os.pread(file.fileno(), 8, 0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    if start.startswith(_OLE):
        raise UnreadableFile(f"{filename} is in an old Office format; save it as .docx. Allowed are {ALLOWED}")
    parser = _parser(filename, start)
    suffix = ".rtf" if start.startswith(_RTF) else PurePath(filename).suffix.lower()
    if parser is None and (advice := SAVE_AS.get(suffix)):
        raise UnreadableFile(f"{filename} is a {suffix} file, which is not read: {advice}. Allowed are {ALLOWED}")
    if parser is None:
        yield from _text(file, filename, size, charset)
    else:
        yield from _parsed(parser, file, filename, charset)


def _parser(filename: str, start: bytes) -> str | None:
    """The parser that a file needs: by its first bytes, because names can be wrong, then by its name."""
    suffix = PurePath(filename).suffix.lower()
    if start.startswith(PDF_HEADER) or suffix == ".pdf":
        return "pdf"
    if suffix in _WORD:
        return "docx"
    return "html" if suffix in _HTML else None


def _text(file: BinaryIO, filename: str, size: int, charset: str) -> Iterator[Line]:
    try:
        encoding = encodings.of_file(file, declared=charset)
    except encodings.UnknownEncoding as error:
        raise UnreadableFile(f"{filename} cannot be read: {error}; allowed are {ALLOWED}") from error
    if encoding.confidence is not None:
        yield Line("", 0, guessed=encoding)
    text = encoding.reader(file)
    try:
        mark = "\ufeff"
        while line := text.readline(LINE_SIZE):
            if "\0" in line:
                raise UnreadableFile(f"{filename} is not text: it contains zero bytes; allowed are {ALLOWED}")
            yield Line(line.removeprefix(mark), 100 * file.tell() // max(size, 1))
            mark = ""
    finally:
        # Otherwise the wrapper would close the file.
        text.detach()


def _parsed(parser: str, file: BinaryIO, filename: str, charset: str) -> Iterator[Line]:
    percent = received = 0
    with tempfile.TemporaryFile("w+") as errors, _process([parser, charset], file, errors) as process:
        assert process.stdout
        while line := process.stdout.readline(LINE_SIZE):
            if line.startswith(PROGRESS + LEFT_OUT):
                yield Line("", percent, line[2:].strip())
                continue
            if line.startswith(PROGRESS + GUESSED):
                name, confidence = line[2:].split()
                yield Line("", percent, guessed=Encoding(name, float(confidence)))
                continue
            if line.startswith(PROGRESS):
                percent = int(line[1:])
                continue
            received += len(line.encode())
            if received > TEXT_BYTES:
                raise UnreadableFile(f"{filename} contains more than {TEXT_BYTES} bytes of text; split it")
            yield Line(line, percent)
        status = process.wait()
        if status:
            errors.seek(0)
            last = errors.read().strip().rpartition("\n")[2]
            problem = last if status == REFUSED else f"it could not be parsed within the limits ({last or status})"
            raise UnreadableFile(f"{filename}: {problem}; allowed are {ALLOWED}")


@contextmanager
def _process(arguments: Sequence[str], file: BinaryIO, errors: TextIO) -> Iterator[subprocess.Popen[str]]:
    process = subprocesses.start(__name__, *arguments, stdin=file, stdout=subprocess.PIPE, stderr=errors)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def escape_markdown(line: str) -> str:
    """The line, indented if its start would make it a heading or a fence in Markdown."""
    bare = line.lstrip()
    return f"    {bare}" if bare.startswith(("#", "```", "~~~")) else line
