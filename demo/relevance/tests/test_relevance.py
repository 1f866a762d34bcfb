"""Tests the metrics on hand-made rankings, and the whole command with a reranker that needs no torch."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from relevance import __main__ as command
from relevance import metrics, questions
from relevance.evaluation import MISLED


def test_a_perfect_ranking_scores_one_and_one_without_a_hit_scores_zero() -> None:
    assert metrics.ndcg([True, False], 1) == metrics.reciprocal_rank([True]) == 1
    assert metrics.ndcg([False] * 20, 1) == metrics.reciprocal_rank([False, False]) == 0
    assert metrics.ndcg([], 1) == metrics.reciprocal_rank([]) == 0


def test_a_lower_rank_scores_less() -> None:
    assert metrics.ndcg([False, True], 1) == pytest.approx(1 / math.log2(3))
    assert metrics.reciprocal_rank([False, False, True]) == pytest.approx(1 / 3)
    assert metrics.ndcg([False] * 10 + [True], 1) == 0
    assert metrics.reciprocal_rank([False] * 10 + [True]) == pytest.approx(1 / 11)


def test_several_relevant_passages_are_compared_with_the_ideal_ranking() -> None:
    ideal = 1 + 1 / math.log2(3)
    assert metrics.ndcg([True, False, True], 2) == pytest.approx((1 + 0.5) / ideal)
    assert metrics.ndcg([True] * 20, 20) == pytest.approx(1)


def test_each_built_in_question_has_exactly_one_answer() -> None:
    collection = questions.load_built_in()
    texts = [passage.text for passages in collection.documents.values() for passage in passages]
    assert len(texts) == 491
    counts = {group: sum(each.group == group for each in collection.questions) for group in ("plain", "misleading")}
    assert counts["plain"] == 235
    assert counts["misleading"] >= 50
    for question in collection.questions:
        assert sum(map(question.is_answered_by, texts)) == 1, question.text
    assert len({question.text for question in collection.questions}) == len(collection.questions)


class ShortestFirst:
    """A reranker that prefers short passages."""

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        return [1 / (1 + len(passage)) for passage in passages]


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """Arguments for two documents. The one that shares more words with the question is not the answer."""
    documents = tmp_path / "documents"
    (documents / "deeper").mkdir(parents=True)
    (documents / "long.md").write_text("# Timeout\n\nThe timeout, the timeout: how long is a timeout? It depends.")
    (documents / "deeper" / "short.html").write_text("<p>Thirty seconds is\n the timeout.")
    entries = [
        {"question": "how long is the timeout", "contains": ["seconds is the timeout"]},
        {"question": "depends", "contains": ["It depends", "nowhere"]},
    ]
    (tmp_path / "questions.json").write_text(json.dumps({"questions": entries}))
    return ["--documents", str(documents), "--questions", str(tmp_path / "questions.json")]


def fake_cache(tmp_path: Path, *repos: str) -> list[str]:
    for repo in repos:
        snapshot = tmp_path / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text("{}")
    return ["--hub", str(tmp_path / "hub")]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status = command.main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_model_is_compared_with_retrieval(
    tmp_path: Path, own: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load", lambda model, hub: ShortestFirst())
    status, [result] = run(capsys, *fake_cache(tmp_path, "Org/Name"), *own)
    assert (status, result["model"], result["revision"]) == (0, "Org/Name", "0" * 40)
    everything, misled = result["rows"]
    assert (everything["group"], everything["questions"]) == ("all", 2)
    assert everything["retrieval"]["mrr"] == pytest.approx((1 / 2 + 1) / 2)
    assert everything["reranked"]["mrr"] == 1
    # The two orders of two candidates are opposite, so their fused scores are equal and retrieval decides.
    assert everything["fused"] == everything["retrieval"]
    assert everything["retrieval"]["ndcg10"] == pytest.approx((1 / math.log2(3) + 1) / 2)
    assert (misled["group"], misled["questions"], misled["reranked"]["ndcg10"]) == (MISLED, 1, 1)
    assert command.main([*fake_cache(tmp_path), *own]) == 0
    assert "Org/Name at 000" in capsys.readouterr().out


def test_without_a_model_only_retrieval_is_measured(
    tmp_path: Path, own: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, [result] = run(capsys, *fake_cache(tmp_path), *own)
    assert (status, result["model"]) == (0, None)
    assert all(set(row) == {"group", "questions", "retrieval"} for row in result["rows"])
    assert command.main([*fake_cache(tmp_path), *own]) == 0
    assert "retrieval only" in capsys.readouterr().out


def test_a_model_that_cannot_be_loaded_is_reported_and_fails_the_command(
    tmp_path: Path, own: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(model: Any, _: Path) -> ShortestFirst:
        if model.repo == "Org/Bad":
            raise command.ModelError("damaged")
        return ShortestFirst()

    monkeypatch.setattr(command, "load", load)
    status, results = run(capsys, *fake_cache(tmp_path, "Org/Bad", "Org/Good"), *own)
    assert status == 1
    assert [(result["model"], result["error"]) for result in results] == [("Org/Bad", "damaged"), ("Org/Good", None)]
    status, [result] = run(capsys, *fake_cache(tmp_path), "--model", "Org/Good", *own)
    assert (status, result["model"]) == (0, "Org/Good")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--documents", "/"], "must be given together"),
        (["--documents", "/nope", "--questions", "q"], "/nope is not a directory"),
        (["--model", "Org/Nope"], "Org/Nope is not in"),
    ],
)
def test_bad_arguments_are_reported(
    tmp_path: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main([*fake_cache(tmp_path), *arguments])
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"questions": []}, "has no questions"),
        ({}, "KeyError"),
        ({"questions": [{"question": "x"}]}, "KeyError"),
        ({"questions": [{"question": "x", "contains": []}]}, "ValueError"),
        ({"questions": [{"question": "x", "contains": ["not there"]}]}, "no passage contains any of"),
    ],
)
def test_bad_questions_are_reported_with_an_example(
    tmp_path: Path, own: list[str], content: Any, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(own[3]).write_text(json.dumps(content))
    (Path(own[1]) / "bad.pdf").write_text("no PDF")
    assert command.main([*fake_cache(tmp_path), *own]) == 2
    errors = capsys.readouterr().err
    assert "bad.pdf: it is named .pdf but is not a PDF" in errors
    if content != {"questions": []}:
        assert problem in errors
