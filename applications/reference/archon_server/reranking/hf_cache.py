"""Reads model snapshots in a cache of Hugging Face's layout, without importing anything of Hugging Face."""

import json
from pathlib import Path
from typing import Any

from ..settings import Model
from . import ModelError

_LARGEST_HEADER = 100_000_000
"""The size in bytes up to which the safetensors format allows a header."""

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Of each file: its path, size, time of change and inode."""


def snapshot(hub_dir: Path, model: Model) -> Path:
    return hub_dir / _folder(model) / "snapshots" / model.revision


def baseline_path(hub_dir: Path, model: Model) -> Path:
    """Where the store keeps the baseline of this snapshot. The file's name is stable."""
    return hub_dir.parent / "manifests" / _folder(model) / f"{model.revision}.proof.json"


def is_present(hub_dir: Path, model: Model) -> bool:
    return (snapshot(hub_dir, model) / "config.json").is_file()


def disk_bytes(hub_dir: Path, model: Model) -> int:
    """The size of the snapshot; 0 if it is missing."""
    return sum(size for _, size, _, _ in fingerprint(hub_dir, model))


def fingerprint(hub_dir: Path, model: Model) -> Fingerprint:
    """Changes when a file of the snapshot, or its baseline, is added, removed or replaced."""
    found = []
    folder = snapshot(hub_dir, model)
    for path in [*sorted(folder.rglob("*")), baseline_path(hub_dir, model)]:
        try:
            status = path.stat()
        except OSError:
            continue
        if not path.is_dir():
            found.append((str(path), status.st_size, status.st_mtime_ns, status.st_ino))
    return tuple(found)


def read_config(hub_dir: Path, model: Model) -> dict[str, Any]:
    """The model's config.json. Raises ModelError if it is missing or unreadable."""
    path = snapshot(hub_dir, model) / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelError(
            f"{model.repo} at commit {model.revision} is not in the model cache: {path} does not exist. "
            "Is the store's models/huggingface mounted there? `./archon verify` checks the store"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); `./archon verify` checks the store") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object; `./archon verify` checks the store")
    return config


def derived_from(hub_dir: Path, model: Model) -> Model | None:
    """The snapshot that this one is a variant of, None if it is none. Raises ModelError like `read_config`."""
    quantisation = read_config(hub_dir, model).get("quantization_config")
    origin = quantisation.get("from") if isinstance(quantisation, dict) else None
    repo, separator, revision = str(origin).partition("@")
    return Model(repo, repo, revision) if separator else None


def read_weights_header(path: Path) -> dict[str, dict[str, Any]]:
    """dtype, shape and data_offsets of each tensor of a safetensors file, by name.

    A damaged file raises OSError, ValueError, AttributeError or TypeError.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= _LARGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}


def stored_dtype(config: dict[str, Any]) -> str:
    """The dtype of the weights, as config.json names it."""
    return config.get("dtype") or config.get("torch_dtype") or "float32"


def _folder(model: Model) -> str:
    return f"models--{model.repo.replace('/', '--')}"
