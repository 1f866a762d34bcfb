import random

import pytest

from demo_model.corpus import Passage
from demo_model.examples import ExampleMaker
from demo_model.queries import QueryMaker

MANUALS = [
    Passage(f"document {d}", f"Heading {d} {h}", f"Topic{d}x{h} explains several things. It goes on. It ends here.")
    for d in range(5)
    for h in range(4)
]
GLOSSES = [Passage("wordnet", f"word{n}", f"word{n}: meaning{n} explained with several terms") for n in range(20)]


@pytest.fixture
def maker() -> ExampleMaker:
    return ExampleMaker(MANUALS, GLOSSES, QueryMaker({}, {}, ["stray"]), 6, random.Random(1))


def test_an_example_has_its_answer_only_once_and_first(maker: ExampleMaker) -> None:
    for _ in range(300):
        example = maker.draw(words=50)
        answer, *others = example.passages
        assert len(others) == 5
        assert example.question
        assert answer not in others


def test_answers_come_from_manuals_and_glosses_and_some_without_the_sentence_asked_for(maker: ExampleMaker) -> None:
    answers = {maker.draw(words=50).passages[0] for _ in range(500)}
    assert answers & {passage.text for passage in MANUALS}
    assert answers & {passage.text for passage in GLOSSES}
    assert any(answer.startswith("It goes on.") for answer in answers)


def test_the_same_seed_draws_the_same_examples() -> None:
    first, second = (
        ExampleMaker(MANUALS, GLOSSES, QueryMaker({}, {}, ["stray"]), 4, random.Random(3)) for _ in range(2)
    )
    assert [first.draw(30) for _ in range(50)] == [second.draw(30) for _ in range(50)]
