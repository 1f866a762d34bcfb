import random
from collections.abc import Sequence

import numpy
import pytest

from demo_model import candidates
from demo_model.bm25 import Bm25, Index
from demo_model.candidates import Candidates, Searcher
from demo_model.corpus import Passage
from demo_model.examples import Example

PASSAGES = [Passage(f"document {n // 3}", f"Heading {n // 3}", f"word{n} shared{n % 7} text") for n in range(120)]
TEXTS = [passage.text for passage in PASSAGES]


@pytest.fixture
def searcher() -> Searcher:
    return Searcher(PASSAGES, numpy.eye(len(PASSAGES), dtype="float32"), None, random.Random(0))


def draw(searcher: Searcher, question: str, meaning: numpy.ndarray, answer: int = 0) -> Candidates:
    return searcher.candidates(Example(question, answer, PASSAGES[answer].text), meaning)


def plain(passages: Sequence[str]) -> list[int]:
    """Numbers of passages, whether or not they stand below their headings."""
    return [TEXTS.index(text.rpartition("\n")[2]) for text in passages]


def test_the_answer_comes_first_and_nothing_else_from_under_its_heading(searcher: Searcher) -> None:
    for _ in range(50):
        answer, *others = plain(draw(searcher, "word0 shared3", numpy.zeros(120)).passages)
        assert answer == 0
        assert len({*others}) == candidates.SIZE - 1
        assert all(other >= 3 for other in others)


def test_candidates_are_near_by_words_and_by_meaning(searcher: Searcher) -> None:
    meaning = numpy.zeros(120)
    meaning[80:120] = 0.5
    found = [plain(draw(searcher, "shared3", meaning).passages) for _ in range(50)]
    assert all(sum(other >= 80 for other in others) >= candidates.BY_MEANING for _, *others in found)
    assert sum(other % 7 == 3 for _, *others in found for other in others) > 50


def test_wanted_adds_meaning_words_and_being_the_answer(searcher: Searcher) -> None:
    meaning = numpy.linspace(0, 0.5, 120)
    found = draw(searcher, "shared4 word11", meaning, answer=11)
    best = Bm25(TEXTS).scores("shared4 word11", TEXTS)
    for place, (number, wanted) in enumerate(zip(plain(found.passages), found.wanted, strict=True)):
        words = candidates.WORDS * best[number] / max(best)
        assert wanted == pytest.approx(meaning[number] + words + (candidates.ANSWER if place == 0 else 0))


def test_some_lists_stand_below_their_headings_unless_the_question_is_the_heading(searcher: Searcher) -> None:
    headed = [draw(searcher, "word0", numpy.zeros(120)).passages[0].startswith("Heading 0\n") for _ in range(100)]
    assert 5 < sum(headed) < 50
    asked = [draw(searcher, "what is Heading 0", numpy.zeros(120)).passages[0] for _ in range(50)]
    assert set(asked) == {TEXTS[0]}


def test_the_index_scores_as_bm25_does() -> None:
    question = "shared3 texts of word10, word10"
    assert Index(TEXTS).scores(question) == pytest.approx(Bm25(TEXTS).scores(question, TEXTS))
    assert not Index(TEXTS).scores("nowhere").any()
