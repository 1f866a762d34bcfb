"""Trains the demo reranker on a CPU within minutes: `python -m demo_model.train --output DIR`."""

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
from .candidates import CandidateList, CandidateSampler
from .examples import ExampleMaker
from .start import MAX_TOKENS, new_model, new_tokenizer

SEED = 0
STEPS = 800
BATCH_LISTS = 8
LENGTHS = (48, 64, 64, 96)
"""Length limits of a pair in tokens, one drawn for each step. Short pairs are cheap, but some must be long."""

MANUAL_PASSAGES, GLOSS_PASSAGES = 24_000, 15_000
"""How many passages are drawn for training. The teacher encodes each of them."""

LEARNING_RATE = 1e-3
# Word vectors learn slowly: otherwise they would overfit the manuals, and people search other text.
WORD_VECTOR_RATE = 0.1
WARM_UP_STEPS = 100
# The temperature of the softmax over the target scores: a lower one prefers the better of two passages more strongly.
TEMPERATURE = 0.06
# The weight of the pointwise loss, which pulls scores towards 0 and 1, beside the listwise loss.
CALIBRATION_WEIGHT = 0.3
# The pointwise target is a sigmoid of the target score: 0.5 at the midpoint.
CALIBRATION_MIDPOINT, CALIBRATION_SLOPE = 0.75, 8.0
NOISE_WORDS = 3000
"""How many of the most common words may be inserted into questions as noise."""

MIN_WORD_COUNT = 3
"""A word that occurs less often is not used as a form of another word, since it is more likely a misprint."""

REPORT_STEPS = 50
DOWNLOADS = Path(tempfile.gettempdir(), "demo-reranker-text")
PACKAGES = ("torch", "transformers", "tokenizers")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_model.train", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory to write the model to")
    parser.add_argument(
        "--downloads", type=Path, default=DOWNLOADS, help="directory for downloads, 230 MB (default: %(default)s)"
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

    manuals, validation_passages = corpus.manuals(options.downloads, rng)
    glosses = corpus.glosses(options.downloads)
    validation = lists.from_questions(validation_passages, rng)
    baseline = lists.measure(validation, Bm25([passage.text for passage in validation_passages]).scores)
    print(
        f"{len(manuals)} manual passages, {len(glosses)} glosses, {len(validation)} validation lists. BM25: {baseline}"
    )

    texts = [passage.text for passage in (*manuals, *glosses)]
    dtype = fast_dtype()
    teacher_model = teacher.Teacher(directory, dtype)
    tokenizer = new_tokenizer(texts)
    model = new_model(tokenizer, texts, teacher_model)
    maker = ExampleMaker(
        rng.sample(manuals, MANUAL_PASSAGES),
        rng.sample(glosses, GLOSS_PASSAGES),
        query_maker(texts, options.downloads),
        rng,
    )
    vectors = teacher_model.vectors([passage.text for passage in maker.passages])
    print(f"{time.monotonic() - started:.0f} s: the teacher has encoded {len(vectors)} passages", flush=True)
    sampler = CandidateSampler(maker.passages, vectors, teacher_model.vectors, rng)
    train(model, tokenizer, sampler.sample(maker), options.steps, rng, dtype)
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
    # safetensors writes a file that only its owner can read, but the server runs as another user.
    for path in options.output.iterdir():
        path.chmod(0o644)


def fast_dtype(cpu: Path = Path("/proc/cpuinfo")) -> torch.dtype:
    """bfloat16 if the CPU multiplies it in hardware, which is several times as fast; float32 otherwise."""
    flags = cpu.read_text(encoding="utf-8").split() if cpu.is_file() else []
    return torch.bfloat16 if "amx_bf16" in flags or "avx512_bf16" in flags else torch.float32


def query_maker(texts: Sequence[str], downloads: Path) -> queries.QueryMaker:
    """A question generator with the word forms and common words of `texts`, and WordNet's synonyms."""
    counts = Counter(word for text in texts for word in queries.content_words(text))
    forms = queries.other_forms(word for word, count in counts.items() if count >= MIN_WORD_COUNT)
    noise = [word for word, _ in counts.most_common(NOISE_WORDS)]
    return queries.QueryMaker(forms, corpus.thesaurus(downloads), noise)


def train(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    candidate_lists: Iterator[CandidateList],
    steps: int,
    rng: random.Random,
    dtype: torch.dtype,
) -> None:
    """Trains in place. The learning rate rises for WARM_UP_STEPS and falls linearly to 0."""
    word_vectors = model.bert.embeddings.word_embeddings.weight
    others = [parameter for parameter in model.parameters() if parameter is not word_vectors]
    groups = [{"params": others}, {"params": [word_vectors], "lr": LEARNING_RATE * WORD_VECTOR_RATE}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / WARM_UP_STEPS) * (1 - step / steps)
    )
    model.train()
    loss_sum, started = 0.0, time.monotonic()
    for step in range(1, steps + 1):
        batch = list(islice(candidate_lists, BATCH_LISTS))
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            loss = batch_loss(model, tokenizer, batch, rng.choice(LENGTHS))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        loss_sum += loss.item()
        if step % REPORT_STEPS == 0:
            print(f"step {step}, {time.monotonic() - started:.0f} s: loss {loss_sum / REPORT_STEPS:.3f}", flush=True)
            loss_sum = 0.0


def batch_loss(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    batch: Sequence[CandidateList],
    length: int,
) -> torch.Tensor:
    """The listwise loss (cross entropy with the softmax of the targets) plus the weighted pointwise loss."""
    pairs = [(each.question, passage) for each in batch for passage in each.passages]
    predicted = logits(model, tokenizer, pairs, length).float().view(len(batch), -1)
    targets = torch.tensor([each.targets for each in batch])
    listwise = functional.cross_entropy(predicted, (targets / TEMPERATURE).softmax(1))
    labels = ((targets - CALIBRATION_MIDPOINT) * CALIBRATION_SLOPE).sigmoid()
    pointwise = functional.binary_cross_entropy_with_logits(predicted, labels)
    return listwise + CALIBRATION_WEIGHT * pointwise


def logits(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    pairs: Sequence[tuple[str, str]],
    length: int = MAX_TOKENS,
) -> torch.Tensor:
    """The score of each pair of question and passage before the sigmoid, shape (pairs,)."""
    encoded = tokenizer(list(pairs), truncation=True, max_length=length, padding=True, return_tensors="pt")
    return model(**encoded).logits[:, 0]


def scores(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, question: str, passages: Sequence[str]
) -> list[float]:
    """The scores of passages for one question before the sigmoid. Switches the model to evaluation mode."""
    model.eval()
    with torch.no_grad():
        return logits(model, tokenizer, [(question, passage) for passage in passages]).tolist()


def save(model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Writes a model that sentence-transformers' CrossEncoder loads: float16 on disk, float32 in memory."""
    output.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(output)
    tokenizer.save_pretrained(output)
    config = json.loads((output / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.activation.Sigmoid"}
    (output / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
