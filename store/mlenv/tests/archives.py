"""Tar archives in memory."""

from __future__ import annotations

import io
import tarfile


def pack(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar of these members, each with the size of its content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
