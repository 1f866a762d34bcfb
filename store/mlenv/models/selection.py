"""Selects the files of a model repository that a server needs: the weights once, not in every format and precision."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

OTHER_FORMATS = (
    "*.gguf",
    "*.ggml",
    "*.h5",
    "*.msgpack",
    "*.npz",
    "*.onnx",
    "*.onnx_data*",
    "*.onnx.data",
    "*.ot",
    "*.tflite",
    "*.mlmodel",
    "*.ckpt",
    "*.ckpt.*",
    "*.nemo",
    "*.engine",
    "*.pdparams",
    "*.pte",
    "flax_model*",
    "ggml-*.bin",
    "openvino_model*",
    "rust_model*",
    "tf_model*",
)
"""Weights for other frameworks than PyTorch with transformers."""

OTHER_DIRECTORIES = ("*.mlmodelc", "*.mlpackage", "coreml", "gguf", "metal", "mlx", "onnx", "openvino", "original")
"""Directories, at any depth, with the weights once more: for other frameworks, or as their authors trained them."""

TRAINING_STATE = (
    "events.out.tfevents.*",
    "optimizer*.bin",
    "optimizer*.pt",
    "optimizer*.safetensors",
    "rng_state*.pth",
    "scaler.pt",
    "scheduler.pt",
    "trainer_state.json",
    "training_args.bin",
)
"""What a trainer saves to continue a training. No server reads it."""

TRAINING_DIRECTORIES = ("checkpoint-*", "global_step*", "runs")

PICKLES = ("*.bin", "*.bin.index*.json", "*.pt", "*.pth")

_WEIGHTS = re.compile(
    r"(?P<family>(diffusion_pytorch_)?model|pytorch_model)"
    r"(\.(?P<variant>[A-Za-z][A-Za-z0-9_]*))?(?P<shard>-\d+-of-\d+)?"
    r"(\.(?P<old_variant>[A-Za-z][A-Za-z0-9_]*))?\.(safetensors|bin)"
    r"(\.index(\.(?P<index_variant>[A-Za-z][A-Za-z0-9_]*))?\.json)?"
)
"""Names that transformers and diffusers give to weights. A variant is another precision, such as fp16.

Older versions of diffusers put it behind the number of the shard.
"""

_WHOLE_MODEL = re.compile(r"(diffusion_)?(pytorch_)?model|consolidated")
"""How the names of pickles begin that hold the whole model. Others hold parts that a library loads beside it."""


def select(paths: Iterable[str], allow: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[str]:
    """The selected paths, sorted. Patterns are shell patterns over the whole path; `*` also matches `/`.

    With `allow`: what matches it. Without: everything but hidden files, the state of a training, and weights that are
    there once more. What matches `ignore` is left out in both cases.

    Of each directory the weights that transformers would load are taken: safetensors instead of PyTorch's old pickles
    (*.bin, *.pt, *.pth), the unnamed precision instead of variants such as `model.fp16.safetensors`, one file
    of safetensors instead of its shards, and `model*` instead of `consolidated*`, which other libraries read.
    """
    ordered = sorted(paths)
    chosen = [path for path in ordered if _matches(path, allow)] if allow else _default_selection(ordered)
    return [path for path in chosen if not _matches(path, ignore)]


def _default_selection(paths: Sequence[str]) -> list[str]:
    candidates = [path for path in paths if not _is_of_no_use(path)]
    names: dict[str, set[str]] = {}
    for path in candidates:
        names.setdefault(posixpath.dirname(path), set()).add(posixpath.basename(path))
    return [path for path in candidates if not _is_repeated(posixpath.basename(path), names[posixpath.dirname(path)])]


def _is_of_no_use(path: str) -> bool:
    *directories, name = path.split("/")
    return (
        any(part.startswith(".") for part in (*directories, name))
        or any(_matches(part, (*OTHER_DIRECTORIES, *TRAINING_DIRECTORIES)) for part in directories)
        or _matches(name, (*OTHER_FORMATS, *TRAINING_STATE))
    )


def _is_repeated(name: str, names: set[str]) -> bool:
    """Whether a directory with these names has the same weights in a file that is preferred."""
    weights = _WEIGHTS.fullmatch(name)
    if name.startswith("consolidated") or (weights and _variant(weights)):
        return any(map(_is_default, names))
    if _matches(name, PICKLES):
        if name.startswith("adapter_model"):
            return "adapter_model.safetensors" in names
        if f"{name.rpartition('.')[0]}.safetensors" in names:
            return True
        return bool(_WHOLE_MODEL.match(name)) and any(_is_default(each) and ".safetensors" in each for each in names)
    if weights and (weights["shard"] or name.endswith(".index.json")):
        return f"{weights['family']}.safetensors" in names
    return False


def _is_default(name: str) -> bool:
    """Whether it is a file of weights in the precision that is loaded when no variant is named."""
    weights = _WEIGHTS.fullmatch(name)
    return bool(weights and not _variant(weights) and not name.endswith(".json"))


def _variant(weights: re.Match[str]) -> str | None:
    return weights["variant"] or weights["old_variant"] or weights["index_variant"]


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
