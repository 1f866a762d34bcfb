import random
from collections.abc import Sequence

import numpy
import pytest

from demo_model import candidates
from demo_model.bm25 import Bm25, Index
from demo_model.candidates import CandidateList, CandidateSampler
from demo_model.corpus import Passage
from demo_model.examples import Example

PASSAGES = [Passage(f"document {n // 3}", f"Heading {n // 3}", f"word{n} shared{n % 7} text") for n in range(120)]
TEXTS = [passage.text for passage in PASSAGES]


@pytest.fixture
def sampler() -> CandidateSampler:
    return CandidateSampler(PASSAGES, numpy.eye(len(PASSAGES), dtype="float32"), None, random.Random(0))


def draw(sampler: CandidateSampler, question: str, cosines: numpy.ndarray, answer: int = 0) -> CandidateList:
    return sampler.candidates(Example(question, answer, PASSAGES[answer].text), cosines)


def numbers_of(passages: Sequence[str]) -> list[int]:
    """Numbers of passages, with or without their headings."""
    return [TEXTS.index(text.rpartition("\n")[2]) for text in passages]


def test_the_answer_comes_first_and_no_negative_shares_its_heading(sampler: CandidateSampler) -> None:
    for _ in range(50):
        answer, *others = numbers_of(draw(sampler, "word0 shared3", numpy.zeros(120)).passages)
        assert answer == 0
        assert len({*others}) == candidates.LIST_SIZE - 1
        assert all(other >= 3 for other in others)


def test_hard_negatives_share_words_or_meaning_with_the_question(sampler: CandidateSampler) -> None:
    cosines = numpy.zeros(120)
    cosines[80:120] = 0.5
    found = [numbers_of(draw(sampler, "shared3", cosines).passages) for _ in range(50)]
    assert all(sum(other >= 80 for other in others) >= candidates.SEMANTIC_NEGATIVES for _, *others in found)
    assert sum(other % 7 == 3 for _, *others in found for other in others) > 50


def test_a_target_adds_the_cosine_the_bm25_share_and_the_answer_bonus(sampler: CandidateSampler) -> None:
    cosines = numpy.linspace(0, 0.5, 120)
    found = draw(sampler, "shared4 word11", cosines, answer=11)
    bm25 = Bm25(TEXTS).scores("shared4 word11", TEXTS)
    for position, (number, target) in enumerate(zip(numbers_of(found.passages), found.targets, strict=True)):
        lexical = candidates.LEXICAL_WEIGHT * bm25[number] / max(bm25)
        bonus = candidates.ANSWER_BONUS if position == 0 else 0
        assert target == pytest.approx(cosines[number] + lexical + bonus)


def test_some_lists_include_headings_unless_the_question_is_the_heading(sampler: CandidateSampler) -> None:
    with_heading = [draw(sampler, "word0", numpy.zeros(120)).passages[0].startswith("Heading 0\n") for _ in range(100)]
    assert 5 < sum(with_heading) < 50
    answers = [draw(sampler, "what is Heading 0", numpy.zeros(120)).passages[0] for _ in range(50)]
    assert set(answers) == {TEXTS[0]}


def test_the_index_gives_the_same_scores_as_bm25() -> None:
    question = "shared3 texts of word10, word10"
    assert Index(TEXTS).scores(question) == pytest.approx(Bm25(TEXTS).scores(question, TEXTS))
    assert not Index(TEXTS).scores("nowhere").any()
