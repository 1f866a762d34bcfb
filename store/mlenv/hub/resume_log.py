"""A partly downloaded file and the log of its parts, which together survive kill -9 and a power cut.

A part is logged with its checksum after its bytes were written. A later run trusts it only if the bytes still have that
checksum, so nothing needs to be synced during the download.

After kill -9 the page cache holds both the bytes and the log, and only unfinished parts are lost. After a power cut
either may be missing. A log entry without its bytes does not match (unwritten blocks of a preallocated file read as
zeros), and bytes without a log entry are ignored; both are downloaded again. Flushing the disk before every entry would
save at most the last half minute before a power cut, and cost one flush for every few megabytes. The hash of the whole
file, compared before the file is used at all, catches what CRC-32 might miss.
"""

from __future__ import annotations

import contextlib
import os
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """Bytes `start` (included) to `end` (excluded) of a file."""

    number: int
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def divide(size: int, part_bytes: int) -> list[Part]:
    """The parts of a file, in order; none of an empty one."""
    starts = range(0, size, part_bytes)
    return [Part(number, start, min(start + part_bytes, size)) for number, start in enumerate(starts)]


class ResumeLog:
    """The two files of one download: `<path>` with the bytes, at their places, and `<path>.journal` with the log.

    `identity` says what is downloaded and how it is divided; a log of anything else is discarded. Both names are
    stable: a download that another version of this tool began is resumed.
    """

    def __init__(self, path: Path, size: int, identity: str) -> None:
        self.path = path
        self._log_path = path.with_name(path.name + ".journal")
        self._lock = threading.Lock()
        self.checksums = self._inherit(f"{identity}\n")
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if size and os.fstat(self.descriptor).st_size != size:
                os.ftruncate(self.descriptor, 0)
                os.posix_fallocate(self.descriptor, 0, size)
                self.checksums.clear()
            self._log_descriptor = os.open(self._log_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except BaseException:
            os.close(self.descriptor)
            raise

    def add(self, part: Part, checksum: int) -> None:
        """Log a part whose bytes have all been written."""
        with self._lock:
            os.write(self._log_descriptor, f"{part.number} {checksum:08x}\n".encode())

    def close(self) -> None:
        os.close(self.descriptor)
        os.close(self._log_descriptor)

    def publish(self, target: Path) -> None:
        """Give the complete file its final name."""
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.path.replace(target)
        self._log_path.unlink()

    def discard(self) -> None:
        """Delete what was downloaded."""
        for file in (self._log_path, self.path):
            file.unlink(missing_ok=True)

    def _inherit(self, header: str) -> dict[int, int]:
        """What an earlier run logged: part number -> checksum. Rewrites the log without incomplete lines."""
        checksums: dict[int, int] = {}
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            lines = self._log_path.read_text(encoding="ascii").splitlines(keepends=True)
            for line in lines[1:] if lines[:1] == [header] and self.path.exists() else []:
                with contextlib.suppress(ValueError):
                    number, checksum = line.split()
                    if line.endswith("\n"):
                        checksums[int(number)] = int(checksum, 16)
        entries = "".join(f"{number} {checksum:08x}\n" for number, checksum in checksums.items())
        partial = self._log_path.with_name(self._log_path.name + ".new")
        partial.write_text(header + entries, encoding="ascii")
        partial.replace(self._log_path)
        return checksums


def checksum_of(descriptor: int, part: Part, buffer: memoryview) -> int:
    """The checksum of a part as it is in the file."""
    checksum = 0
    at = part.start
    while at < part.end:
        count = os.preadv(descriptor, [buffer[: part.end - at]], at)
        if not count:
            break
        checksum = zlib.crc32(buffer[:count], checksum)
        at += count
    return checksum
