"""`python3 -m relevance`: NDCG@10 and MRR of retrieval alone, reranked, and fused, for models of a cache."""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from archon_server.reranking import ModelError
from archon_server.reranking.cross_encoder import load
from archon_server.settings import Model

from . import evaluation, questions

_DEFAULT_HUB = Path(os.environ.get("HF_HOME", "/root/.cache/huggingface")) / "hub"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m relevance", description=__doc__)
    parser.add_argument("--hub", type=Path, default=_DEFAULT_HUB, help="cache of models (default: %(default)s)")
    parser.add_argument("--model", action="append", metavar="ORG/NAME", help="only this one; may be repeated")
    parser.add_argument("--documents", type=Path, metavar="DIR", help="own documents instead of the built-in ones")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="own questions about them, as JSON")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args(arguments)
    if (options.documents is None) != (options.questions is None):
        parser.error("--documents and --questions go together")
    if options.documents and not options.documents.is_dir():
        parser.error(f"--documents: {options.documents} is no directory")
    models = list(present(options.hub))
    missing = set(options.model or []) - {model.repo for model in models}
    if missing:
        has = ", ".join(model.repo for model in models) or "no model"
        parser.error(f"--model: {', '.join(sorted(missing))} is not in {options.hub}, which has {has}")
    if options.model:
        models = [model for model in models if model.repo in options.model]
    try:
        collection = questions.own(options.documents, options.questions) if options.documents else questions.built_in()
    except questions.CollectionError as error:
        print(f"python3 -m relevance: error:\n{error}", file=sys.stderr)
        return 2
    results = measured(collection, models, options.hub)
    print(json.dumps(results) if options.json else "\n\n".join(map(table, results)))
    return 1 if any(result["error"] for result in results) else 0


def present(hub: Path) -> Iterator[Model]:
    """Every snapshot of the cache."""
    for snapshot in sorted(hub.glob("models--*/snapshots/*")):
        repo = snapshot.parents[1].name.removeprefix("models--").replace("--", "/", 1)
        if re.fullmatch(r"[0-9a-f]{40}", snapshot.name) and (snapshot / "config.json").is_file():
            yield Model(repo, repo, snapshot.name)


def measured(collection: questions.Collection, models: Sequence[Model], hub: Path) -> list[dict[str, Any]]:
    """One result a model; without a model, one of retrieval alone. A model that cannot be used is an `error`."""
    with tempfile.TemporaryDirectory() as directory:
        storage = evaluation.stored(collection, Path(directory))
        asked = evaluation.ask(collection, storage)
        storage.close()
    if not models:
        return [_result(None, evaluation.rows(asked, {}))]
    results = []
    for model in models:
        try:
            rankings, seconds = evaluation.rerank(asked, load(model, hub))
        except ModelError as error:
            results.append(_result(model, [], error=str(error)))
        else:
            results.append(_result(model, evaluation.rows(asked, rankings), seconds=round(seconds, 3)))
    return results


def _result(
    model: Model | None, rows: list[dict[str, Any]], seconds: float | None = None, error: str | None = None
) -> dict[str, Any]:
    name = {"model": model and model.repo, "revision": model and model.revision}
    return {**name, "seconds_per_question": seconds, "rows": rows, "error": error}


def table(result: dict[str, Any]) -> str:
    title = (
        f"{result['model']} at {result['revision']}" if result["model"] else "no model in the cache: retrieval alone"
    )
    if result["error"]:
        return f"{title}: {result['error']}"
    orders = [name for name in ("retrieval", *evaluation.ORDERS) if name in result["rows"][0]]
    heading = "".join(f"{name:>11}" for name in orders)
    lines = [title, f"{'questions':<24}{'':>5}  NDCG@10:{heading}   MRR:{heading}"]
    for row in result["rows"]:
        ndcg = "".join(f"{row[name]['ndcg10']:>11.3f}" for name in orders)
        mrr = "".join(f"{row[name]['mrr']:>11.3f}" for name in orders)
        lines.append(f"{row['group']:<24}{row['questions']:>5}          {ndcg}       {mrr}")
    if result["seconds_per_question"] is not None:
        lines.append(f"{result['seconds_per_question']:.3f} s a question of up to 50 candidates")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
