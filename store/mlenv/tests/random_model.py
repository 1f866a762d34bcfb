"""A random model like Qwen/Qwen3-Reranker-0.6B, for benchmarks only: the same configuration, and a model.safetensors of
exactly the same size with the same tensor names, shapes and type, but random weights. It says nothing about quality.

    python3 -m mlenv.tests.random_model --out DIRECTORY

One seed gives the same bytes everywhere. The tokenizer is a small one of whole words, with the tokens that the
reranker's prompt and its two answers need.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

REPO = "Qwen/Qwen3-Reranker-0.6B"
WEIGHTS = "model.safetensors"
WEIGHTS_BYTES = 1_191_588_280
"""The size of the original's model.safetensors."""

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 1024,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "model_type": "qwen3",
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.0",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151669,
}

WORDS = ("<unk>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "system", "user", "assistant", "yes", "no")

_BLOCK = 1 << 20
_SMALL = bytes((byte & 0x80) | 0x3C for byte in range(256))
"""The high byte of a bfloat16 for each random one: a sign, and an exponent that makes it 0.008 to 0.03."""


def make(target: Path, seed: int = 0) -> None:
    """Write the model's files into a directory, which may exist."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    for name, content in tokenizer().items():
        (target / name).write_text(json.dumps(content, indent=2) + "\n")
    with (target / WEIGHTS).open("wb") as stream:
        for block in weights(seed):
            stream.write(block)


def tensors() -> dict[str, list[int]]:
    """Name -> shape, in the order of the file."""
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    head, vocabulary = CONFIG["head_dim"], CONFIG["vocab_size"]
    queries, keys = CONFIG["num_attention_heads"] * head, CONFIG["num_key_value_heads"] * head
    layer = {
        "input_layernorm": [hidden],
        "mlp.down_proj": [hidden, inner],
        "mlp.gate_proj": [inner, hidden],
        "mlp.up_proj": [inner, hidden],
        "post_attention_layernorm": [hidden],
        "self_attn.k_norm": [head],
        "self_attn.k_proj": [keys, hidden],
        "self_attn.o_proj": [hidden, queries],
        "self_attn.q_norm": [head],
        "self_attn.q_proj": [queries, hidden],
        "self_attn.v_proj": [keys, hidden],
    }
    names = {
        f"model.layers.{number}.{name}.weight": shape
        for number in range(CONFIG["num_hidden_layers"])
        for name, shape in layer.items()
    }
    return dict(
        sorted({"model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden], **names}.items())
    )


def header() -> bytes:
    """The beginning of the file: the length of the table of tensors, and the table, padded to the original's size."""
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors().items():
        start, end = end, end + 2 * _product(shape)
        table[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(table, separators=(",", ":")).encode()
    length = WEIGHTS_BYTES - end - 8
    if len(text) > length:
        raise ValueError(f"the table takes {len(text)} bytes, the original's {length}")
    return length.to_bytes(8, "little") + text.ljust(length)


def weights(seed: int) -> Iterator[bytes]:
    """The whole file in blocks."""
    start = header()
    yield start
    source = random.Random(seed)
    left = WEIGHTS_BYTES - len(start)
    while left:
        block = bytearray(source.randbytes(min(_BLOCK, left)))
        block[1::2] = block[1::2].translate(_SMALL)
        left -= len(block)
        yield bytes(block)


def tokenizer() -> dict[str, object]:
    """File name -> content."""
    special = [word for word in WORDS if word.startswith("<")]
    added = [
        {"id": WORDS.index(word), "content": word, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for word in special
    ]
    model = {"type": "WordLevel", "vocab": {word: index for index, word in enumerate(WORDS)}, "unk_token": WORDS[0]}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": model,
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 131072,
        "unk_token": WORDS[0],
        "pad_token": WORDS[1],
        "eos_token": WORDS[3],
    }
    return {"tokenizer.json": whole, "tokenizer_config.json": settings}


def _product(shape: list[int]) -> int:
    return shape[0] * (shape[1] if len(shape) == 2 else 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIRECTORY")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    make(options.out, options.seed)
