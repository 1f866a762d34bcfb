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


def new_maker(seed: int) -> ExampleMaker:
    return ExampleMaker(MANUALS, GLOSSES, QueryMaker({}, {}, ["noise"]), random.Random(seed))


@pytest.fixture
def maker() -> ExampleMaker:
    return new_maker(1)


def test_an_example_names_the_passage_that_it_was_generated_from(maker: ExampleMaker) -> None:
    for _ in range(300):
        example = maker.draw()
        assert example.question
        text = maker.passages[example.answer].text
        assert all(sentence in text for sentence in example.text.split(". "))


def test_questions_are_about_manuals_and_glosses_and_some_remove_their_sentence(maker: ExampleMaker) -> None:
    examples = [maker.draw() for _ in range(500)]
    texts = {example.text for example in examples}
    assert texts & {passage.text for passage in MANUALS}
    assert texts & {passage.text for passage in GLOSSES}
    without_sentence = [example for example in examples if example.text.startswith("It goes on.")]
    assert without_sentence
    assert all(example.question.endswith("explains several things") for example in without_sentence)


def test_the_same_seed_draws_the_same_examples() -> None:
    first, second = new_maker(3), new_maker(3)
    assert [first.draw() for _ in range(50)] == [second.draw() for _ in range(50)]
