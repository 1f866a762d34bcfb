"""Extracts the text of files, as lines of Markdown.

Files that need a parser are parsed in a process of its own, with limits on memory and time and without the server's
secrets. A hostile file can kill that process, but not the server.
"""

import codecs
import os
import re
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

ALLOWED = (
    "PDF (.pdf), Word (.docx), PowerPoint (.pptx), Excel (.xlsx), OpenDocument (.odt, .ods, .odp), RTF, EPUB, e-mail "
    "(.eml), HTML, and text: Markdown, reStructuredText, plain text, source code, configuration, CSV and the like"
)
SAVE_AS = {
    **dict.fromkeys((".doc", ".dot", ".wps", ".wpd", ".pages"), "save it as .docx"),
    **dict.fromkeys((".ppt", ".pps", ".pot", ".key"), "save it as .pptx"),
    **dict.fromkeys((".xls", ".xlt", ".xlsb", ".numbers"), "save it as .xlsx"),
    **dict.fromkeys((".msg", ".mbox", ".pst"), "save each message as .eml"),
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".fb2", ".djvu", ".ps", ".chm"), "convert it to EPUB or PDF"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), "unpack it and upload its files"),
}
"""Formats that are not read, and what to do with them."""

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
_KINDS = {
    **dict.fromkeys((".html", ".htm", ".xhtml", ".xht"), "html"),
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm", ".epub"), "zipped"),
    **dict.fromkeys(
        (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm", ".xlsx", ".xlsm", ".xltx", ".xltm"), "zipped"
    ),
    **dict.fromkeys((".odt", ".ott", ".ods", ".ots", ".odp", ".otp", ".odg", ".otg"), "zipped"),
    **dict.fromkeys((".fodt", ".fods", ".fodp", ".fodg"), "flat_odf"),
    **dict.fromkeys((".eml", ".mht", ".mhtml"), "mail"),
    **dict.fromkeys((".rst", ".rest"), "rst"),
    ".pdf": "pdf",
    ".rtf": "rtf",
}
PDF_HEADER = b"%PDF-"
_OTHER_ZIPS = {".zip", ".pages", ".key", ".numbers", ".xlsb"}
_ZIP = b"PK\x03\x04"
_RTF = b"{\\rtf"
_OLE = b"\xd0\xcf\x11\xe0"
_START_BYTES = 1024
_OFFICE_XML = re.compile(rb"<\?mso-application\s+progid\s*=\s*[\"'](\w+)")
_SAVE_OFFICE_XML_AS = {b"Word": ".docx", b"Excel": ".xlsx", b"PowerPoint": ".pptx"}
_HTML_START = re.compile(rb"\s*<(?:!doctype html|html|head|body|table)\b", re.IGNORECASE)
_MAIL_START = re.compile(rb"(?:[\w-]+:.*\r?\n(?:[ \t].*\r?\n)*)*?mime-version:", re.IGNORECASE)


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


def is_markdown(file: BinaryIO, filename: str) -> bool:
    """Whether `lines` yields Markdown for this file, so that `#` and fences have a meaning."""
    return _suffix(filename) in _MARKDOWN or kind_of(filename, _start(file)) is not None


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
    start, suffix = _start(file), _suffix(filename)
    # Without the file's buffer, because the parsing process starts where the descriptor is.
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    kind = kind_of(filename, start)
    if start.startswith(_OLE) and suffix in _KINDS:
        problem = f"is encrypted, or an old Office file with a wrong name; save it as {suffix} without a password"
        raise UnreadableFile(f"{filename} {problem}. Allowed are {ALLOWED}")
    if kind is None and (start.startswith(_OLE) or suffix in SAVE_AS):
        advice = SAVE_AS.get(suffix, "save it as .docx, .xlsx or .pptx")
        raise UnreadableFile(f"{filename} is in a format that is not read: {advice}. Allowed are {ALLOWED}")
    if kind is None and (program := _OFFICE_XML.search(start)):
        advice = f"save it as {_SAVE_OFFICE_XML_AS.get(program[1], '.docx, .xlsx or .pptx')}"
        raise UnreadableFile(
            f"{filename} is an Office document as XML, which is not read: {advice}. Allowed are {ALLOWED}"
        )
    if kind is None:
        yield from _text(file, filename, size, charset)
    else:
        yield from _parsed(kind, file, filename, charset)


def _start(file: BinaryIO) -> bytes:
    return os.pread(file.fileno(), _START_BYTES, 0)


def _suffix(filename: str) -> str:
    return PurePath(filename).suffix.lower()


def kind_of(filename: str, start: bytes) -> str | None:
    """The parser that a file needs, None for text: by its first bytes, because names can be wrong, then by its name."""
    suffix = _suffix(filename)
    if start.startswith(PDF_HEADER):
        return "pdf"
    if start.startswith(_RTF):
        return "rtf"
    if start.startswith(_ZIP) and suffix not in _OTHER_ZIPS:
        return "zipped"
    # Programs that export for Word and Excel write pages under their names.
    if suffix in (".doc", ".xls"):
        return _kind_of_export(start)
    return _KINDS.get(suffix)


def _kind_of_export(start: bytes) -> str | None:
    if _HTML_START.match(start.removeprefix(codecs.BOM_UTF8)):
        return "html"
    return "mail" if _MAIL_START.match(start) else None


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
