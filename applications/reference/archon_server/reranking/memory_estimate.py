"""Estimates the memory that a snapshot's weights need, from the headers of its files."""

import math
from pathlib import Path
from typing import Any

from ..settings import Model
from . import ModelError, hf_cache
from .hardware import choose_dtype, cpu_flags

_WIDTH = {"float32": 4, "bfloat16": 2, "float16": 2}
INT8 = "int8"
_FLOATING = {"F64", "F32", "F16", "BF16"}


def estimate(hub_dir: Path, model: Model) -> int:
    """Bytes that the loaded weights need on a CPU; 0 if the files do not tell, in which case loading says why."""
    snapshot = hf_cache.snapshot(hub_dir, model)
    try:
        width = _WIDTH[computing_dtype(loaded_dtype(model, hf_cache.read_config(hub_dir, model), "cpu"), "cpu")]
        total = sum(
            _bytes(tensor, width)
            for path in snapshot.glob("*.safetensors")
            for tensor in hf_cache.read_weights_header(path).values()
        )
        return total or sum(path.stat().st_size for path in snapshot.glob("*.bin"))
    except (ModelError, OSError, ValueError, AttributeError, KeyError, TypeError):
        return 0


def loaded_dtype(model: Model, config: dict[str, Any], device: str) -> str:
    """The dtype of the weights in memory: the variant's, or the best one for the device.

    Raises ModelError if the variant is int8 and the snapshot was not derived, or the other way round.
    """
    derived = "quantization_config" in config
    if model.variant not in (("auto", INT8) if derived else ("auto", "float32", "bfloat16")):
        held = "8 bits" if derived else hf_cache.stored_dtype(config)
        raise ModelError(
            f"{model.repo} is to be used as {model.variant}, but its snapshot contains weights of {held}; "
            "derive 8 bits once with `python3 -m archon_server.derive`, see docs/models-serving.md"
        )
    if derived:
        return INT8
    if model.variant != "auto":
        return model.variant
    return choose_dtype(hf_cache.stored_dtype(config), device, cpu_flags())


def computing_dtype(dtype: str, device: str) -> str:
    """The dtype in which a model with such weights computes, and keeps the weights that do not have 8 bits."""
    return choose_dtype("bfloat16", device, cpu_flags()) if dtype == INT8 else dtype


def _bytes(tensor: dict[str, Any], width: int) -> int:
    if tensor["dtype"] in _FLOATING:
        return width * math.prod(tensor["shape"])
    first, last = tensor["data_offsets"]
    return last - first
