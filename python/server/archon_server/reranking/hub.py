"""Where a model snapshot lies in a cache of Hugging Face's layout. Only looks; imports nothing of Hugging Face."""

import json
from pathlib import Path
from typing import Any

from ..settings import Model
from . import ModelError


def snapshot(hub_dir: Path, model: Model) -> Path:
    return hub_dir / f"models--{model.repo.replace('/', '--')}" / "snapshots" / model.revision


def is_present(hub_dir: Path, model: Model) -> bool:
    return (snapshot(hub_dir, model) / "config.json").is_file()


def read_config(hub_dir: Path, model: Model) -> dict[str, Any]:
    """The model's config.json. Raises ModelError if the snapshot is not there or not readable."""
    path = snapshot(hub_dir, model) / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelError(
            f"{model.repo} at commit {model.revision} is not in the model cache: {path} does not exist. "
            "Is the store's models/huggingface mounted there? `npm run verify` checks the store"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); `npm run verify` checks the store") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} is no JSON object; `npm run verify` checks the store")
    return config
