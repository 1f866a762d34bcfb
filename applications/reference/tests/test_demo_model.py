"""The demo model of this repository, as the server uses it, evaluated with `python3 -m relevance`."""

import json
import shutil
from pathlib import Path

import pytest

from relevance import __main__ as relevance

DEMO = Path(__file__).parents[3] / "demo" / "reranker"


@pytest.mark.ml
def test_reranking_improves_results_where_words_mislead_and_not_at_the_cost_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(DEMO, tmp_path / "models--local--demo" / "snapshots" / ("0" * 40))
    assert relevance.main(["--hub", str(tmp_path), "--json"]) == 0
    [result] = json.loads(capsys.readouterr().out)
    rows = {row["group"]: row for row in result["rows"]}
    everything, misleading = rows["all"], rows["misleading"]
    assert everything["reranked"]["ndcg10"] >= everything["retrieval"]["ndcg10"]
    assert misleading["reranked"]["ndcg10"] > misleading["retrieval"]["ndcg10"]
