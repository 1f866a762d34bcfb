"""Writes a random cross encoder of the size of ms-marco-MiniLM-L6: for benchmarks only, since it ranks at random.

    docker run --rm --interactive --user 0 --volume OUT:/out --volume DOCUMENTS:/documents:ro \
      --volume ENVIRONMENT:/root/.local:ro IMAGE python3 - < tests/support/archon/cross_encoder.py

IMAGE and ENVIRONMENT are those of a stack. The tokenizer knows the words of DOCUMENTS, and cuts others into letters, so
that a passage of them has about as many tokens as with the real one. One seed gives the same weights everywhere.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
OUT = Path("/out")

config = BertConfig(
    vocab_size=30522,
    hidden_size=384,
    num_hidden_layers=6,
    num_attention_heads=12,
    intermediate_size=1536,
    num_labels=1,
)
text = "\n".join(file.read_text(errors="replace") for file in sorted(Path("/documents").rglob("*.md"))).lower()
letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
words = sorted(set(re.findall(r"[a-z]{2,}", text)))
known = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *words]
vocabulary = [*known, *(f"[unused{number}]" for number in range(config.vocab_size - len(known)))][: config.vocab_size]
pieces = BertWordPieceTokenizer({word: index for index, word in enumerate(vocabulary)})
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=pieces._tokenizer,
    model_max_length=config.max_position_embeddings,
    pad_token="[PAD]",
    unk_token="[UNK]",
    cls_token="[CLS]",
    sep_token="[SEP]",
    mask_token="[MASK]",
)
torch.manual_seed(0)
model = BertForSequenceClassification(config)
model.save_pretrained(OUT)
tokenizer.save_pretrained(OUT)
print(f"{sum(each.numel() for each in model.parameters()) / 1e6:.1f} million parameters, {len(words)} words")
