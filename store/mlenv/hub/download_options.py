"""The options of a download. The command line shows their defaults, and loads no HTTP client for that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DownloadOptions:
    """How a large file is downloaded: in parts, over several connections at once.

    A killed run loses its unfinished parts: at most one per connection, 15.7 MB in all with these defaults.
    """

    connections: int = 4
    part_bytes: int = 15 * (1 << 18)
