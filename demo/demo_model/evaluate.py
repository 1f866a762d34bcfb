"""Measures a reranker on the held-out lists: `python -m demo_model.evaluate --model DIR`; exits with 1 below 90 %."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from . import lists
from .bm25 import Bm25

REQUIRED = 0.90


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo_model.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="directory of a CrossEncoder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not (options.model / "config.json").is_file():
        parser.error(f"{options.model} has no config.json. Run `python -m demo_model.train` to train a model.")

    held_out = lists.held_out()
    passages = {passage for entry in held_out for passage in entry.passages}
    baseline = lists.measure(held_out, Bm25(passages).scores)
    quality = lists.measure(held_out, cross_encoder(options.model))
    passed = quality.share_first >= REQUIRED
    if options.json:
        print(json.dumps({"model": asdict(quality), "bm25": asdict(baseline), "required": REQUIRED, "enough": passed}))
    else:
        print(f"model: {quality}\nBM25:  {baseline}")
        if not passed:
            print(f"The model is below the required {REQUIRED:.0%}.", file=sys.stderr)
    return 0 if passed else 1


def cross_encoder(model: Path) -> lists.Score:
    """The model as the server loads it. torch is imported here, so that the rest runs without it."""
    from sentence_transformers import CrossEncoder

    encoder = CrossEncoder(str(model), device="cpu", local_files_only=True)

    def score(question: str, passages: Sequence[str]) -> list[float]:
        pairs = [(question, passage) for passage in passages]
        return encoder.predict(pairs, show_progress_bar=False).tolist()

    return score


if __name__ == "__main__":
    sys.exit(main())
