import itertools
import json
import random

import pytest

from demo_model import corpus, lists
from demo_model.bm25 import Bm25


def test_each_held_out_list_has_one_answer_and_seven_different_others() -> None:
    found = lists.held_out()
    assert len(found) >= 120
    assert all(len(set(entry.passages)) == lists.LIST_LENGTH for entry in found)
    assert len({entry.question for entry in found}) == len(found)
    assert len({entry.passages[0] for entry in found}) == len(found)


def test_no_package_of_the_held_out_lists_is_trained_on() -> None:
    data = json.loads(lists.HELD_OUT.read_text(encoding="utf-8"))
    packages = {name.split(":")[0] for name in data["passages"]}
    assert packages == set(data["sources"])
    assert packages.isdisjoint(package.name for package in (*corpus.MANUALS, corpus.DICTIONARY))
    assert all(source["licence"] and source["attribution"] for source in data["sources"].values())
    assert lists.HELD_OUT.stat().st_size < 400_000


def test_a_tie_counts_against_the_answer() -> None:
    entries = [lists.RankingList("q", ("a", "b", "c"))] * 2
    scores = iter([[3.0, 1.0, 2.0], [2.0, 2.0, 1.0]])
    quality = lists.measure(entries, lambda question, passages: next(scores))
    assert quality == lists.Quality(lists=2, first=1, mean_reciprocal_rank=0.75)
    assert str(quality) == "answer first in 1 of 2 lists (50.0%), mean reciprocal rank 0.750"


def test_lists_from_questions_have_two_negatives_under_other_headings_of_the_document() -> None:
    places = itertools.product(range(3), range(4), range(2))
    passages = [corpus.Passage(f"d{d}", f"Why {h}?", f"{d} {h} {n}") for d, h, n in places]
    found = lists.from_questions(passages, random.Random(0))
    assert len(found) == 12
    for entry in found:
        document, heading, number = entry.passages[0].split()
        assert (entry.question, number) == (f"Why {heading}?", "0")
        assert len(set(entry.passages)) == lists.LIST_LENGTH
        near = [other.split() for other in entry.passages[1:] if other.startswith(f"{document} ")]
        assert len(near) == lists.SAME_DOCUMENT_NEGATIVES
        assert all(other != heading for _, other, _ in near)


def test_bm25_prefers_rare_words_and_short_passages_and_matches_word_forms() -> None:
    collection = ["table locks", "table rows", "table locking in detail, with examples everywhere", "rows of numbers"]
    locks, rows, detail, numbers = Bm25(collection).scores("Is a table locked?", collection)
    assert locks > detail > rows > numbers == 0


@pytest.mark.parametrize("question", ["", "What is it?"])
def test_bm25_gives_a_question_without_content_words_a_score_of_zero(question: str) -> None:
    assert Bm25(["table locks"]).scores(question, ["table locks"]) == [0]
