"""`python3 -m relevance`: NDCG@10 and MRR of retrieval only, reranking, and the fusion of both, for cached models."""

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

_DEFAULT_CACHE = Path(os.environ.get("HF_HOME", "/root/.cache/huggingface")) / "hub"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m relevance", description=__doc__)
    parser.add_argument(
        "--hub", type=Path, default=_DEFAULT_CACHE, help="cache of Hugging Face models (default: %(default)s)"
    )
    parser.add_argument("--model", action="append", metavar="ORG/NAME", help="measure only this model; can be repeated")
    parser.add_argument("--documents", type=Path, metavar="DIR", help="your documents, instead of the built-in ones")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="your questions about them, as JSON")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    if (options.documents is None) != (options.questions is None):
        parser.error("--documents and --questions must be given together")
    if options.documents and not options.documents.is_dir():
        parser.error(f"--documents: {options.documents} is not a directory")
    models = list(cached_models(options.hub))
    missing = set(options.model or []) - {model.repo for model in models}
    if missing:
        available = ", ".join(model.repo for model in models) or "no model"
        parser.error(f"--model: {', '.join(sorted(missing))} is not in {options.hub}, which has {available}")
    if options.model:
        models = [model for model in models if model.repo in options.model]
    try:
        collection = (
            questions.load_own(options.documents, options.questions) if options.documents else questions.load_built_in()
        )
    except questions.CollectionError as error:
        print(f"python3 -m relevance: error:\n{error}", file=sys.stderr)
        return 2
    results = measure(collection, models, options.hub)
    print(json.dumps(results) if options.json else "\n\n".join(map(table, results)))
    return 1 if any(result["error"] for result in results) else 0


def cached_models(hub: Path) -> Iterator[Model]:
    """The model of every snapshot in the cache."""
    for snapshot in sorted(hub.glob("models--*/snapshots/*")):
        repo = snapshot.parents[1].name.removeprefix("models--").replace("--", "/", 1)
        if re.fullmatch(r"[0-9a-f]{40}", snapshot.name) and (snapshot / "config.json").is_file():
            yield Model(repo, repo, snapshot.name)


def measure(collection: questions.Collection, models: Sequence[Model], hub: Path) -> list[dict[str, Any]]:
    """One result for each model; without models, one for retrieval only. A model that cannot be used has an `error`."""
    with tempfile.TemporaryDirectory() as directory:
        storage = evaluation.index(collection, Path(directory))
        retrieved = evaluation.retrieve(collection, storage)
        storage.close()
    if not models:
        return [_result(None, evaluation.rows(retrieved, {}))]
    results = []
    for model in models:
        try:
            rankings, seconds = evaluation.rerank(retrieved, load(model, hub))
        except ModelError as error:
            results.append(_result(model, [], error=str(error)))
        else:
            results.append(_result(model, evaluation.rows(retrieved, rankings), seconds=round(seconds, 3)))
    return results


def _result(
    model: Model | None, rows: list[dict[str, Any]], seconds: float | None = None, error: str | None = None
) -> dict[str, Any]:
    return {
        "model": model.repo if model else None,
        "revision": model.revision if model else None,
        "seconds_per_question": seconds,
        "rows": rows,
        "error": error,
    }


def table(result: dict[str, Any]) -> str:
    """The result of one model as a text table: NDCG@10 and MRR of each order, for each group of questions."""
    title = f"{result['model']} at {result['revision']}" if result["model"] else "no model in the cache: retrieval only"
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
        lines.append(f"{result['seconds_per_question']:.3f} s per question of up to 50 candidates")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
