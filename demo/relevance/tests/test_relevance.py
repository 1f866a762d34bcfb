"""The metrics by hand-made rankings, and the whole command on a reranker without torch."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from relevance import __main__ as command
from relevance import metrics, questions
from relevance.evaluation import MISLED


def test_a_perfect_ranking_has_one_and_none_has_zero() -> None:
    assert metrics.ndcg([True, False], 1) == metrics.reciprocal_rank([True]) == 1
    assert metrics.ndcg([False] * 20, 1) == metrics.reciprocal_rank([False, False]) == 0
    assert metrics.ndcg([], 1) == metrics.reciprocal_rank([]) == 0


def test_a_later_place_counts_less() -> None:
    assert metrics.ndcg([False, True], 1) == pytest.approx(1 / math.log2(3))
    assert metrics.reciprocal_rank([False, False, True]) == pytest.approx(1 / 3)
    assert metrics.ndcg([False] * 10 + [True], 1) == 0
    assert metrics.reciprocal_rank([False] * 10 + [True]) == pytest.approx(1 / 11)


def test_several_relevant_passages_count_against_the_best_order_of_all() -> None:
    best = 1 + 1 / math.log2(3)
    assert metrics.ndcg([True, False, True], 2) == pytest.approx((1 + 0.5) / best)
    assert metrics.ndcg([True] * 20, 20) == pytest.approx(1)


def test_the_built_in_questions_have_exactly_one_known_answer_and_are_many() -> None:
    collection = questions.built_in()
    texts = [chunk.text for chunks in collection.documents.values() for chunk in chunks]
    assert len(texts) == 491
    counts = {group: sum(each.group == group for each in collection.questions) for group in ("plain", "misleading")}
    assert counts["plain"] == 235
    assert counts["misleading"] >= 50
    for question in collection.questions:
        assert sum(map(question.is_answered_by, texts)) == 1, question.text
    assert len({question.text for question in collection.questions}) == len(collection.questions)


class Lengths:
    """Prefers short passages."""

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        return [1 / (1 + len(passage)) for passage in passages]


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """Arguments for two documents, of which the one with more words of the question is not the answer."""
    documents = tmp_path / "documents"
    (documents / "deeper").mkdir(parents=True)
    (documents / "long.md").write_text("# Timeout\n\nThe timeout, the timeout: how long is a timeout? It depends.")
    (documents / "deeper" / "short.html").write_text("<p>Thirty seconds is\n the timeout.")
    asked = [
        {"question": "how long is the timeout", "contains": ["seconds is the timeout"]},
        {"question": "depends", "contains": ["It depends", "nowhere"]},
    ]
    (tmp_path / "questions.json").write_text(json.dumps({"questions": asked}))
    return ["--documents", str(documents), "--questions", str(tmp_path / "questions.json")]


def cache(tmp_path: Path, *repos: str) -> list[str]:
    for repo in repos:
        snapshot = tmp_path / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text("{}")
    return ["--hub", str(tmp_path / "hub")]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status = command.main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_model_is_compared_with_retrieval_alone(
    tmp_path: Path, own: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load", lambda model, hub: Lengths())
    status, [result] = run(capsys, *cache(tmp_path, "Org/Name"), *own)
    assert (status, result["model"], result["revision"]) == (0, "Org/Name", "0" * 40)
    everything, misled = result["rows"]
    assert (everything["group"], everything["questions"]) == ("all", 2)
    assert everything["retrieval"]["mrr"] == pytest.approx((1 / 2 + 1) / 2)
    assert everything["reranked"]["mrr"] == 1
    # Two candidates that the two orders put the other way round: retrieval decides between equals.
    assert everything["fused"] == everything["retrieval"]
    assert everything["retrieval"]["ndcg10"] == pytest.approx((1 / math.log2(3) + 1) / 2)
    assert (misled["group"], misled["questions"], misled["reranked"]["ndcg10"]) == (MISLED, 1, 1)
    assert command.main([*cache(tmp_path), *own]) == 0
    assert "Org/Name at 000" in capsys.readouterr().out


def test_without_a_model_retrieval_is_measured_alone(
    tmp_path: Path, own: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, [result] = run(capsys, *cache(tmp_path), *own)
    assert (status, result["model"]) == (0, None)
    assert all(set(row) == {"group", "questions", "retrieval"} for row in result["rows"])
    assert command.main([*cache(tmp_path), *own]) == 0
    assert "retrieval alone" in capsys.readouterr().out


def test_a_model_that_cannot_be_loaded_is_told_and_fails_the_command(
    tmp_path: Path, own: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(model: Any, _: Path) -> Lengths:
        if model.repo == "Org/Bad":
            raise command.ModelError("damaged")
        return Lengths()

    monkeypatch.setattr(command, "load", load)
    status, results = run(capsys, *cache(tmp_path, "Org/Bad", "Org/Good"), *own)
    assert status == 1
    assert [(result["model"], result["error"]) for result in results] == [("Org/Bad", "damaged"), ("Org/Good", None)]
    status, [result] = run(capsys, *cache(tmp_path), "--model", "Org/Good", *own)
    assert (status, result["model"]) == (0, "Org/Good")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--documents", "/"], "go together"),
        (["--documents", "/nope", "--questions", "q"], "/nope is no directory"),
        (["--model", "Org/Nope"], "Org/Nope is not in"),
    ],
)
def test_bad_arguments_are_told(
    tmp_path: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main([*cache(tmp_path), *arguments])
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"questions": []}, "has no questions"),
        ({}, "KeyError"),
        ({"questions": [{"question": "x"}]}, "KeyError"),
        ({"questions": [{"question": "x", "contains": []}]}, "ValueError"),
        ({"questions": [{"question": "x", "contains": ["not there"]}]}, "no passage contains any of"),
    ],
)
def test_bad_questions_are_told_with_an_example(
    tmp_path: Path, own: list[str], asked: Any, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(own[3]).write_text(json.dumps(asked))
    (Path(own[1]) / "bad.pdf").write_text("no PDF")
    assert command.main([*cache(tmp_path), *own]) == 2
    told = capsys.readouterr().err
    assert "bad.pdf: it is named .pdf but is no PDF" in told
    if asked != {"questions": []}:
        assert problem in told
