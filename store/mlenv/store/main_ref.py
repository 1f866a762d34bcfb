"""`refs/main` of a model: the commit that huggingface_hub uses when a caller names none."""

from __future__ import annotations

from ..core import durable
from ..core.model import Model
from .store import Store


def update(store: Store, model: Model) -> None:
    """Make `main` stand for this snapshot."""
    path = store.main_ref(model)
    if path.exists() and path.read_text() == model.revision:
        return
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    durable.write_text(path, model.revision)


def names_a_snapshot(store: Store, model: Model) -> bool:
    """Whether `main` stands for a snapshot that is in the store, or is not there at all."""
    path = store.main_ref(model)
    if not path.is_file():
        # A fetch that was killed at its very end, or another tool: a server that names the commit needs no `main`.
        return True
    revision = path.read_text(errors="replace")
    return revision != "" and (store.hub / model.folder / "snapshots" / revision).is_dir()
