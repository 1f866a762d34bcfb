"""The layout of a store, and the version of the layout."""

from __future__ import annotations

import json
from pathlib import Path

from ..core.errors import MlenvError

FORMAT = 1
"""The version of this layout. A store of a newer format is refused."""

DIRECTORIES = {
    "envs": 0o755,
    "models": 0o755,
    "models/huggingface": 0o755,
    "models/huggingface/hub": 0o755,
    "models/huggingface/manifests": 0o755,
    "cache": 0o755,
    "cache/uv": 0o755,
    "cache/pyc": 0o755,
    "staging": 0o755,
    "staging/locks": 0o755,
    "refs": 0o755,
    "data": 0o755,
    "logs": 0o755,
}
FORMAT_FILE = "store.json"


def recorded_format(root: Path) -> int | None:
    """The format of the store at `root`; None if there is no store. Raises MlenvError for a newer or damaged one."""
    marker = root / FORMAT_FILE
    try:
        recorded = json.loads(marker.read_text())["format"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise MlenvError(f'{marker} is damaged ({error}); expected {{"format": {FORMAT}}}') from error
    if not isinstance(recorded, int) or recorded > FORMAT:
        raise MlenvError(
            f"the store at {root} has format {recorded!r}, this tool knows up to {FORMAT}. "
            "A newer version of this project made it: use that one, or another directory (archon:root)"
        )
    return recorded
