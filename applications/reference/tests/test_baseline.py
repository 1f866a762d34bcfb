"""The comparison of the scores of today with the baseline that the store recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from archon_server.reranking import Runtime, UnusableModel
from archon_server.reranking.baseline import BaselineComparison, KnownAnswer, compare

ANSWERS = (KnownAnswer("one?", 0.9, 0.1), KnownAnswer("two?", 0.8, 0.2))


def runtime(dtype: str = "float32") -> Runtime:
    return Runtime("cpu", dtype, 1, False, 0)


def record(tmp_path: Path, dtype: str = "float32", **changes: Any) -> Path:
    path = tmp_path / "a.proof.json"
    content = {"format": 1, "recorded": "2026-01-02T03:04:05+00:00", "device": "cpu", "dtype": dtype}
    content |= {"environment": "e", "answers": [vars(answer) for answer in ANSWERS]}
    path.write_text(json.dumps(content | changes))
    return path


def shifted(by: float) -> list[KnownAnswer]:
    return [ANSWERS[0], KnownAnswer("two?", 0.8, 0.2 + by)]


def test_equal_answers_are_reported_with_the_baseline(tmp_path: Path) -> None:
    found = compare(record(tmp_path), runtime(), shifted(0.0004))
    assert found == BaselineComparison("2026-01-02T03:04:05+00:00", "float32", ANSWERS, pytest.approx(0.0004), 0.0005)


@pytest.mark.parametrize(
    ("before", "now", "by", "good"),
    [
        ("float32", "float32", 0.0004, True),
        ("float32", "float32", 0.0006, False),
        ("float32", "float32", -0.0006, False),
        ("float32", "bfloat16", 0.049, True),
        ("bfloat16", "float32", 0.049, True),
        ("bfloat16", "bfloat16", 0.051, False),
        ("float32", "int8", 0.099, True),
        ("int8", "int8", 0.101, False),
    ],
)
def test_the_tolerance_is_that_of_the_less_precise_dtype(
    tmp_path: Path, before: str, now: str, by: float, good: bool
) -> None:
    path = record(tmp_path, before)
    if good:
        assert compare(path, runtime(now), shifted(by)).largest_difference == pytest.approx(abs(by))
        return
    with pytest.raises(UnusableModel, match=f"The allowed difference between {before} and {now} is ") as caught:
        compare(path, runtime(now), shifted(by))
    assert f"'two?': right passage 0.8000 (recorded 0.8000), best other {0.2 + by:.4f} (recorded 0.2000)" in str(
        caught.value
    )
    assert "one?" not in str(caught.value)
    assert "./archon verify" in str(caught.value)


def test_without_a_baseline_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert compare(tmp_path / "none.json", runtime(), ANSWERS) == BaselineComparison(problem="none recorded")


def test_a_baseline_of_other_questions_is_ignored(tmp_path: Path) -> None:
    path = record(tmp_path, answers=[{"query": "three?", "right": 0.5, "best_other": 0.5}])
    assert compare(path, runtime(), ANSWERS).problem == "recorded for other questions"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1, "answers": [{}]}', '{"answers": 1}'])
def test_a_baseline_that_cannot_be_read_does_not_stop_the_server(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.proof.json"
    path.write_text(text)
    found = compare(path, runtime(), ANSWERS)
    assert found.problem.startswith(f"{path} cannot be read (")
    assert found.largest_difference is None
