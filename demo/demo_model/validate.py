"""Measures a reranker as the server uses it, on the validation set: `python -m demo_model.validate --model DIR`.

Use it to choose hyper-parameters. Run `python -m relevance` only on the model that is finally chosen, since its
questions are the test set. Needs the server's packages: PYTHONPATH=.:../applications/reference.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from archon_server.passages import Passage
from relevance import evaluation
from relevance.questions import Collection, Question

from . import corpus
from .evaluate import cross_encoder
from .queries import QueryMaker
from .train import DOWNLOADS

QUESTIONS = Path(__file__).with_name("validation.json")
# Each collection is searched on its own. It has some hundreds of passages, as many as a user may have.
COLLECTIONS = (
    ("*/faq/*", "*postgresql*/tutorial*"),
    ("*django*/howto/*", "*apache*/howto/*"),
    ("*python3*/howto/*",),
)
PLAIN_QUESTIONS = 60
"""How many questions of each collection are generated from words of a passage."""


def collections(validation: Sequence[corpus.Passage], rng: random.Random) -> Iterator[Collection]:
    """The collections of the validation set, with three groups of questions.

    natural: headings that are questions, answered by every passage below them. reworded: written by hand, without the
    words of the answer. plain: generated from words of the answer.
    """
    reworded = [
        Question(entry["question"], tuple(entry["contains"]), "reworded")
        for entry in json.loads(QUESTIONS.read_text(encoding="utf-8"))["questions"]
    ]
    for patterns in COLLECTIONS:
        passages = [each for each in validation if any(fnmatchcase(each.document, pattern) for pattern in patterns)]
        documents: defaultdict[str, list[Passage]] = defaultdict(list)
        answers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for passage in passages:
            documents[passage.document].append(Passage(passage.text))
            if passage.heading.endswith("?"):
                answers[passage.document, passage.heading].append(passage.text)
        natural = [Question(heading, tuple(texts), "natural") for (_, heading), texts in answers.items()]
        answered = [each for each in reworded if any(each.is_answered_by(passage.text) for passage in passages)]
        maker = QueryMaker({}, {}, (), noise_share=0)
        generated = (
            (maker.from_passage(passage.text, rng), passage.text) for passage in rng.sample(passages, PLAIN_QUESTIONS)
        )
        plain = [Question(question, (text,), "plain") for question, text in generated if question]
        yield Collection(documents, [*natural, *answered, *plain])


class CrossEncoderReranker:
    """The model of a directory as a reranker of the server."""

    def __init__(self, model: Path) -> None:
        self.score = cross_encoder(model)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_model.validate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="directory of a CrossEncoder")
    parser.add_argument("--downloads", type=Path, default=DOWNLOADS, help="as for demo_model.train (%(default)s)")
    options = parser.parse_args(arguments)
    rng = random.Random(0)
    _, validation = corpus.manuals(options.downloads, rng)
    retrieved: list[evaluation.RetrievedQuestion] = []
    for collection in collections(validation, rng):
        with tempfile.TemporaryDirectory() as directory:
            storage = evaluation.index(collection, Path(directory))
            retrieved += evaluation.retrieve(collection, storage)
            storage.close()
    rankings, seconds = evaluation.rerank(retrieved, CrossEncoderReranker(options.model))
    for row in evaluation.rows(retrieved, rankings):
        orders = "  ".join(f"{order} {row[order]['ndcg10']:.3f}" for order in ("retrieval", *evaluation.ORDERS))
        print(f"{row['group']:<24}{row['questions']:>5}  NDCG@10: {orders}")
    print(f"{seconds:.3f} s per question")


if __name__ == "__main__":
    main()
