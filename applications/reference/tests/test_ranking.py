"""Orders of results for made-up scores."""

from hypothesis import given
from hypothesis import strategies as st

from archon_server.search.ranking import by_scores, fused_with_retrieval


def test_scores_decide_and_retrieval_decides_between_equal_scores() -> None:
    assert by_scores([0.1, 0.9, 0.1, 0.5]) == [1, 3, 0, 2]
    assert by_scores([]) == []


def test_fusion_puts_first_what_both_orders_put_high() -> None:
    # Third by the ranking and first by scores; first by the ranking and last by scores; second by both.
    assert by_scores([0.0, 0.8, 0.9, 0.1]) == [2, 1, 3, 0]
    assert fused_with_retrieval([0.0, 0.8, 0.9, 0.1]) == [2, 1, 0, 3]
    assert fused_with_retrieval([0.9, 0.5, 0.1]) == [0, 1, 2]


def test_neither_order_decides_a_fusion_alone() -> None:
    # Last by the ranking of 20 and first by scores, against the second of both.
    scores = [0.0] + [0.9] + [0.5 - n / 100 for n in range(17)] + [1.0]
    assert by_scores(scores)[0] == 19
    assert fused_with_retrieval(scores)[0] == 1


@given(st.lists(st.floats(0, 1)))
def test_every_passage_has_one_place(scores: list[float]) -> None:
    assert sorted(fused_with_retrieval(scores)) == sorted(by_scores(scores)) == list(range(len(scores)))
