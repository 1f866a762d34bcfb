"""Trains the demo reranker on a CPU, in minutes: `python -m demo_model.train --output DIR`."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn import functional
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from . import corpus, lists, queries
from .bm25 import Bm25
from .examples import Example, ExampleMaker
from .start import LONGEST, new_model, new_tokenizer

SEED = 0
STEPS = 900
EXAMPLES = 8
PASSAGES = 6
LENGTHS = (64, 64, 96, 96, 192)
"""Tokens of a pair, drawn for each step: short ones are cheap, and some must be long."""

LEARNING_RATE = 1e-3
# The word vectors hardly move: they would fit the manuals, and the held-out text is other text.
WORD_VECTOR_RATE = 0.1
WARM_UP = 100
# How much of the loss asks for scores near 1 and 0, besides the right order.
CALIBRATION = 0.3
COMMON = 3000
"""Words that stray into questions."""

RARE = 3
"""Words seen less often are more often misprints than forms of a word."""

REPORT = 100
DOWNLOADS = Path(tempfile.gettempdir(), "demo-reranker-text")
PACKAGES = ("torch", "transformers", "tokenizers")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_model.train", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory that the model is written to")
    parser.add_argument(
        "--downloads", type=Path, default=DOWNLOADS, help="keeps the Debian packages, 48 MB (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    try:
        corpus.fetch_all(options.downloads)
    except corpus.CorpusError as error:
        parser.exit(1, f"demo_model.train: error: {error}\n")

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)

    manuals, kept_back = corpus.manuals(options.downloads, rng)
    glosses = corpus.glosses(options.downloads)
    texts = [passage.text for passage in (*manuals, *glosses)]
    counted = Counter(word for text in texts for word in queries.content_words(text))
    forms = queries.other_forms(word for word, count in counted.items() if count >= RARE)
    common = [word for word, _ in counted.most_common(COMMON)]
    maker = queries.QueryMaker(forms, corpus.thesaurus(options.downloads), common)
    validation = lists.from_questions(kept_back, rng)
    print(f"{len(manuals)} passages of manuals, {len(glosses)} glosses, {len(validation)} lists for validation")
    baseline = lists.measure(validation, Bm25([passage.text for passage in kept_back]).scores)
    print(f"BM25: {baseline}")

    tokenizer = new_tokenizer(texts)
    model = new_model(tokenizer, texts)
    started = time.monotonic()
    train(model, tokenizer, ExampleMaker(manuals, glosses, maker, PASSAGES, rng), options.steps, rng)
    quality = lists.measure(validation, lambda question, passages: scores(model, tokenizer, question, passages))
    print(f"{time.monotonic() - started:.0f} s: {quality}")
    save(model, tokenizer, options.output)
    record = {
        "seed": options.seed,
        "steps": options.steps,
        "threads": options.threads,
        "versions": {package: version(package) for package in PACKAGES},
        "packages": {package.name: package.version for package in (*corpus.MANUALS, corpus.DICTIONARY)},
        "validation": {"lists": quality.lists, "first": quality.first, "first_bm25": baseline.first},
    }
    (options.output / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    # safetensors makes its file private, and the server runs as another user.
    for path in options.output.iterdir():
        path.chmod(0o644)


def train(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    examples: ExampleMaker,
    steps: int,
    rng: random.Random,
) -> None:
    """Trains in place, with a rate that rises for WARM_UP steps and then falls to nothing."""
    vectors = model.bert.embeddings.word_embeddings.weight
    rest = [parameter for parameter in model.parameters() if parameter is not vectors]
    groups = [{"params": rest}, {"params": [vectors], "lr": LEARNING_RATE * WORD_VECTOR_RATE}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / WARM_UP) * (1 - step / steps)
    )
    model.train()
    seen = 0.0
    for step in range(1, steps + 1):
        length = rng.choice(LENGTHS)
        batch = [examples.draw(words=int(length * 0.6)) for _ in range(EXAMPLES)]
        loss = batch_loss(model, tokenizer, batch, length)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        seen += loss.item()
        if step % REPORT == 0:
            print(f"step {step}: loss {seen / REPORT:.3f}", flush=True)
            seen = 0.0


def batch_loss(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, batch: Sequence[Example], length: int
) -> torch.Tensor:
    """Cross entropy over each example's passages, plus CALIBRATION of that of each score by itself."""
    pairs = [(example.question, passage) for example in batch for passage in example.passages]
    found = logits(model, tokenizer, pairs, length).view(len(batch), -1)
    wanted = torch.zeros_like(found)
    wanted[:, 0] = 1
    order = functional.cross_entropy(found, wanted)
    return order + CALIBRATION * functional.binary_cross_entropy_with_logits(found, wanted)


def logits(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    pairs: Sequence[tuple[str, str]],
    length: int = LONGEST,
) -> torch.Tensor:
    """One number a pair of question and passage, before the sigmoid, (pairs,)."""
    encoded = tokenizer(list(pairs), truncation=True, max_length=length, padding=True, return_tensors="pt")
    return model(**encoded).logits[:, 0]


def scores(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, question: str, passages: Sequence[str]
) -> list[float]:
    model.eval()
    with torch.no_grad():
        return logits(model, tokenizer, [(question, passage) for passage in passages]).tolist()


def save(model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Writes what sentence-transformers' CrossEncoder loads: half the bytes on disk, and full precision in memory."""
    output.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(output)
    tokenizer.save_pretrained(output)
    config = json.loads((output / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.activation.Sigmoid"}
    (output / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
