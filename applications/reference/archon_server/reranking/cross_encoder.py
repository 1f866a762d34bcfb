"""The real reranker: sentence-transformers' CrossEncoder, from the mounted cache, with the network off.

`load` imports torch and all that it needs; this module does not, because the server must listen before those imports
are done.
"""

import gc
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..process.garbage_collection import rare_garbage_collection
from ..settings import Model
from . import ModelError, Runtime, UnusableModel, hf_cache, qwen3
from .hardware import available_cpus, cpu_flags, multiplies_int8
from .memory_estimate import INT8, computing_dtype, loaded_dtype
from .package_check import BrokenEnvironment, require_environment
from .scorer import BATCH_SIZE


class CrossEncoderReranker:
    """A CrossEncoder that gives one score per pair."""

    def __init__(self, encoder: Any, runtime: Runtime) -> None:
        self._encoder = encoder
        self.runtime = runtime

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        scores = self._encoder.predict(
            [(query, passage) for passage in passages],
            batch_size=BATCH_SIZE,
            show_progress_bar=False,
        )
        return [float(score) for score in scores]

    def close(self) -> None:
        self._encoder = None
        # Reference cycles hold a model; without this its memory would be freed at some later time.
        gc.collect()
        if self.runtime.device == "cuda":
            import torch

            torch.cuda.empty_cache()


def load(model: Model, hub_dir: Path, require_gpu: bool = False) -> CrossEncoderReranker:
    """Loads `model` from the cache `hub_dir`. Raises ModelError, or UnusableModel if another attempt is useless."""
    require_environment()
    config = hf_cache.read_config(hub_dir, model)
    torch, CrossEncoder = _import_environment()

    cuda = torch.cuda.is_available()
    if require_gpu and not cuda:
        raise UnusableModel(
            f"the service is configured with a GPU, but torch {torch.__version__} (CUDA {torch.version.cuda}) finds "
            "none; run nvidia-smi in this container: if it is missing, the engine gave no GPU, else the driver is too "
            "old"
        )
    device = "cuda" if cuda else "cpu"
    dtype = loaded_dtype(model, config, device)
    if dtype == INT8:
        if cuda or not multiplies_int8(cpu_flags()):
            here = "a GPU" if cuda else "a processor without instructions for them (VNNI)"
            raise UnusableModel(f"{model.repo} has weights of 8 bits, and this machine has {here}; use another variant")
        # Registers its layers with transformers.
        from . import int8  # noqa: F401
    threads = available_cpus()
    torch.set_num_threads(threads)
    snapshot = hf_cache.snapshot(hub_dir, model)
    try:
        encoder = CrossEncoder(
            model.repo,
            revision=model.revision,
            cache_folder=str(hub_dir),
            local_files_only=True,
            device=device,
            model_kwargs={"dtype": getattr(torch, computing_dtype(dtype, device))},
            processor_kwargs=_processor_options(config, snapshot),
            # Many models would give the raw logit.
            activation_fn=torch.nn.Sigmoid(),
        )
    except Exception as error:
        if _needs_own_code(error):
            raise UnusableModel(
                f"{model.repo} needs code of its own, which is not run; use a model without it"
            ) from error
        raise ModelError(
            f"{model.repo} cannot be loaded from {snapshot} ({type(error).__name__}: {error}); "
            "`./archon verify` checks the store"
        ) from error
    if encoder.num_labels != 1:
        raise UnusableModel(f"{model.repo} gives {encoder.num_labels} scores per pair, but a reranker gives one")
    _set_padding(encoder, model)
    size = sum(tensor.nbytes for tensor in (*encoder.parameters(), *encoder.buffers()))
    return CrossEncoderReranker(encoder, Runtime(device, dtype, threads, cuda, size))


def _import_environment() -> tuple[Any, Any]:
    # Without progress bars, which write \r into the log. These variables are read at import.
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1")
    try:
        with rare_garbage_collection():
            import torch
            from sentence_transformers import CrossEncoder
            from transformers.utils import logging as transformers_logging
    except Exception as error:
        # Half-imported modules stay, so a second attempt in this process would fail with a misleading reason.
        raise BrokenEnvironment(f"The environment cannot be imported ({type(error).__name__}: {error})") from error
    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
    # It warns about an argument that it passes itself.
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    return torch, CrossEncoder


def _needs_own_code(error: BaseException | None) -> bool:
    """Whether loading failed because the model's repository brings Python code. The packages say so only in words, and
    sentence-transformers wraps what transformers says."""
    while error:
        if "trust_remote_code" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _set_padding(encoder: Any, model: Model) -> None:
    """Gives classifier and tokenizer the padding token of each other if one has none: a batch needs both.

    Classifiers such as Qwen3ForSequenceClassification look for it to find the last word of each text. Some
    configurations say -1 for none, and then the last word of a shorter text would be padding.
    """
    config, tokenizer = encoder.config, encoder.tokenizer
    known = getattr(config, "pad_token_id", None)
    if known is not None and known >= 0:
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(known)
        return
    if tokenizer.pad_token_id is None:
        raise UnusableModel(f"{model.repo} names no padding token, neither in config.json nor in its tokenizer")
    config.pad_token_id = tokenizer.pad_token_id


def _processor_options(config: dict[str, Any], snapshot: Path) -> dict[str, Any]:
    """What the tokenizer needs beyond its files.

    A snapshot with modules.json defines itself how its pairs are built.
    """
    if qwen3.ARCHITECTURE in (config.get("architectures") or ()) and not (snapshot / "modules.json").exists():
        return {"chat_template": qwen3.CHAT_TEMPLATE}
    return {}
