"""Measures a reranker as the server uses it, on documents kept back from training: `python -m demo_model.validate`.

This is what settings are chosen by; `python -m relevance` is only asked about a model that is settled on. Needs the
server's packages: PYTHONPATH=.:server.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from json import loads
from pathlib import Path

from archon_server.chunking import Chunk

from relevance import evaluation
from relevance.questions import Collection, Question

from . import corpus
from .evaluate import cross_encoder
from .queries import QueryMaker
from .train import DOWNLOADS

REWORDED = Path(__file__).with_name("validation.json")
# Searched apart from one another: collections of some hundred passages, like those of real users.
COLLECTIONS = (
    ("*/faq/*", "*postgresql*/tutorial*"),
    ("*django*/howto/*", "*apache*/howto/*"),
    ("*python3*/howto/*",),
)
PLAIN = 60
"""Questions of each collection that are words of a passage."""


def collections(kept_back: Sequence[corpus.Passage], rng: random.Random) -> Iterator[Collection]:
    """Passages with questions of three groups.

    natural: headings that are questions, answered by all that is below; reworded: written by hand to avoid the words
    of the answer; plain: words of the answer.
    """
    reworded = [
        Question(entry["question"], tuple(entry["contains"]), "reworded")
        for entry in loads(REWORDED.read_text(encoding="utf-8"))["questions"]
    ]
    for patterns in COLLECTIONS:
        passages = [each for each in kept_back if any(fnmatchcase(each.document, pattern) for pattern in patterns)]
        documents: defaultdict[str, list[Chunk]] = defaultdict(list)
        below: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for passage in passages:
            documents[passage.document].append(Chunk(passage.text))
            if passage.heading.endswith("?"):
                below[passage.document, passage.heading].append(passage.text)
        natural = [Question(heading, tuple(texts), "natural") for (_, heading), texts in below.items()]
        answered = [each for each in reworded if any(each.is_answered_by(passage.text) for passage in passages)]
        maker = QueryMaker({}, {}, (), stray_share=0)
        drawn = ((maker.from_passage(passage.text, rng), passage.text) for passage in rng.sample(passages, PLAIN))
        plain = [Question(question, (text,), "plain") for question, text in drawn if question]
        yield Collection(documents, [*natural, *answered, *plain])


class Scorer:
    """A reranker for `evaluation`."""

    def __init__(self, model: Path) -> None:
        self.score = cross_encoder(model)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_model.validate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="directory of a CrossEncoder")
    parser.add_argument("--downloads", type=Path, default=DOWNLOADS, help="as for demo_model.train (%(default)s)")
    options = parser.parse_args(arguments)
    rng = random.Random(0)
    _, kept_back = corpus.manuals(options.downloads, rng)
    asked: list[evaluation.Asked] = []
    for collection in collections(kept_back, rng):
        with tempfile.TemporaryDirectory() as directory:
            storage = evaluation.stored(collection, Path(directory))
            asked += evaluation.ask(collection, storage)
            storage.close()
    rankings, seconds = evaluation.rerank(asked, Scorer(options.model))
    for row in evaluation.rows(asked, rankings):
        orders = "  ".join(f"{order} {row[order]['ndcg10']:.3f}" for order in ("retrieval", *evaluation.ORDERS))
        print(f"{row['group']:<24}{row['questions']:>5}  NDCG@10: {orders}")
    print(f"{seconds:.3f} s a question")


if __name__ == "__main__":
    main()
