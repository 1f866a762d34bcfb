"""Trains the demo reranker on a CPU, in minutes: `python -m demo_model.train --output DIR`."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from . import corpus, lists, queries, teacher
from .bm25 import Bm25
from .candidates import Candidates, Searcher
from .examples import ExampleMaker
from .start import LONGEST, new_model, new_tokenizer

SEED = 0
STEPS = 800
LISTS = 8
LENGTHS = (48, 64, 64, 96)
"""Tokens of a pair, drawn for each step: short ones are cheap, and some must be long."""

MANUALS, GLOSSES = 24_000, 15_000
"""Passages that are trained on, drawn from all: the teacher reads each of them."""

LEARNING_RATE = 1e-3
# The word vectors hardly move: they would fit the manuals, and people search other text.
WORD_VECTOR_RATE = 0.1
WARM_UP = 100
# How sharply the wanted order prefers the better of two passages.
TEMPERATURE = 0.06
# How much of the loss asks for scores near 1 and 0, besides the right order; which wanted scores are as good as not.
CALIBRATION = 0.3
MIDDLE, SLOPE = 0.75, 8.0
COMMON = 3000
"""Words that stray into questions."""

RARE = 3
"""Words seen less often are more often misprints than forms of a word."""

REPORT = 50
DOWNLOADS = Path(tempfile.gettempdir(), "demo-reranker-text")
PACKAGES = ("torch", "transformers", "tokenizers")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_model.train", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory that the model is written to")
    parser.add_argument(
        "--downloads", type=Path, default=DOWNLOADS, help="keeps what is downloaded, 230 MB (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    try:
        corpus.fetch_all(options.downloads)
        directory = teacher.fetch(options.downloads)
    except corpus.CorpusError as error:
        parser.exit(1, f"demo_model.train: error: {error}\n")

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)
    started = time.monotonic()

    manuals, kept_back = corpus.manuals(options.downloads, rng)
    glosses = corpus.glosses(options.downloads)
    validation = lists.from_questions(kept_back, rng)
    baseline = lists.measure(validation, Bm25([passage.text for passage in kept_back]).scores)
    print(f"{len(manuals)} passages of manuals, {len(glosses)} glosses; {len(validation)} lists, BM25: {baseline}")

    texts = [passage.text for passage in (*manuals, *glosses)]
    dtype = fast_dtype()
    teaching = teacher.Teacher(directory, dtype)
    tokenizer = new_tokenizer(texts)
    model = new_model(tokenizer, texts, teaching)
    maker = ExampleMaker(rng.sample(manuals, MANUALS), rng.sample(glosses, GLOSSES), query_maker(texts, options), rng)
    vectors = teaching.vectors([passage.text for passage in maker.passages])
    print(f"{time.monotonic() - started:.0f} s: the teacher has read {len(vectors)} passages", flush=True)
    searcher = Searcher(maker.passages, vectors, teaching.vectors, rng)
    train(model, tokenizer, searcher.draw(maker), options.steps, rng, dtype)
    quality = lists.measure(validation, lambda question, passages: scores(model, tokenizer, question, passages))
    print(f"{time.monotonic() - started:.0f} s: {quality}")
    save(model, tokenizer, options.output)
    record = {
        "seed": options.seed,
        "steps": options.steps,
        "threads": options.threads,
        "dtype": str(dtype).removeprefix("torch."),
        "versions": {package: version(package) for package in PACKAGES},
        "packages": {package.name: package.version for package in (*corpus.MANUALS, corpus.DICTIONARY)},
        "teacher": {"model": teacher.NAME, "package": f"{teacher.PACKAGE}=={teacher.VERSION}"},
        "validation": {"lists": quality.lists, "first": quality.first, "first_bm25": baseline.first},
    }
    (options.output / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    # safetensors makes its file private, and the server runs as another user.
    for path in options.output.iterdir():
        path.chmod(0o644)


def fast_dtype(cpu: Path = Path("/proc/cpuinfo")) -> torch.dtype:
    """bfloat16 where the processor multiplies it: several times as fast, and exact enough to learn with."""
    flags = cpu.read_text(encoding="utf-8").split() if cpu.is_file() else []
    return torch.bfloat16 if "amx_bf16" in flags or "avx512_bf16" in flags else torch.float32


def query_maker(texts: Sequence[str], options: argparse.Namespace) -> queries.QueryMaker:
    counted = Counter(word for text in texts for word in queries.content_words(text))
    forms = queries.other_forms(word for word, count in counted.items() if count >= RARE)
    common = [word for word, _ in counted.most_common(COMMON)]
    return queries.QueryMaker(forms, corpus.thesaurus(options.downloads), common)


def train(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    drawn: Iterator[Candidates],
    steps: int,
    rng: random.Random,
    dtype: torch.dtype,
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
    seen, started = 0.0, time.monotonic()
    for step in range(1, steps + 1):
        batch = list(islice(drawn, LISTS))
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            loss = batch_loss(model, tokenizer, batch, rng.choice(LENGTHS))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        seen += loss.item()
        if step % REPORT == 0:
            print(f"step {step}, {time.monotonic() - started:.0f} s: loss {seen / REPORT:.3f}", flush=True)
            seen = 0.0


def batch_loss(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, batch: Sequence[Candidates], length: int
) -> torch.Tensor:
    """Cross entropy with the wanted order of each list, plus CALIBRATION of that with each wanted score by itself."""
    pairs = [(each.question, passage) for each in batch for passage in each.passages]
    found = logits(model, tokenizer, pairs, length).float().view(len(batch), -1)
    wanted = torch.tensor([each.wanted for each in batch])
    order = functional.cross_entropy(found, (wanted / TEMPERATURE).softmax(1))
    alone = ((wanted - MIDDLE) * SLOPE).sigmoid()
    return order + CALIBRATION * functional.binary_cross_entropy_with_logits(found, alone)


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
