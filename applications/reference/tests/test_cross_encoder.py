"""The real reranker: what it refuses, and, if torch is installed, real models of both architectures."""

import gc
import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from archon_server.reranking import (
    ModelError,
    Reranker,
    UnusableModel,
    baseline,
    cross_encoder,
    hf_cache,
    memory_estimate,
    package_check,
)
from archon_server.reranking.package_check import BrokenEnvironment
from archon_server.settings import Model

MODEL = Model("tiny", "tiny/bert", "0123456789abcdef0123456789abcdef01234567")


def pretend_installed(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    found = {"torch": "2.9", "transformers": "5.9", "sentence-transformers": "6.0"} | versions
    monkeypatch.setattr(package_check, "installed_versions", lambda: found)


def test_a_missing_environment_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend_installed(monkeypatch, torch=None, transformers=None)
    with pytest.raises(
        BrokenEnvironment, match=r"^torch, transformers not installed\. Is the store's environment mounted"
    ):
        cross_encoder.load(MODEL, tmp_path)


@pytest.mark.parametrize(("version", "good"), [("5.3.9", False), ("4.1.0", False), ("5.4.0", True), ("10.0rc1", True)])
def test_packages_that_would_give_random_scores_are_refused(
    monkeypatch: pytest.MonkeyPatch, version: str, good: bool
) -> None:
    pretend_installed(monkeypatch, **{"sentence-transformers": version})
    if good:
        package_check.require_environment()
        return
    with pytest.raises(UnusableModel, match=rf"{version} gives Qwen3-Reranker a random score head"):
        package_check.require_environment()


@pytest.mark.parametrize(
    ("require_gpu", "message"), [(True, r"torch 2\.9 \(CUDA 12\.8\) finds none"), (False, "loaded")]
)
def test_a_server_with_a_gpu_does_not_compute_without_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, require_gpu: bool, message: str
) -> None:
    pretend_installed(monkeypatch)
    torch = SimpleNamespace(
        __version__="2.9",
        version=SimpleNamespace(cuda="12.8"),
        cuda=SimpleNamespace(is_available=lambda: False),
    )

    def loaded(*_: object) -> str:
        raise ModelError("loaded")

    monkeypatch.setattr(cross_encoder.hf_cache, "read_config", lambda *_: {})
    monkeypatch.setattr(cross_encoder, "_import_environment", lambda: (torch, None))
    monkeypatch.setattr(cross_encoder, "loaded_dtype", loaded)
    with pytest.raises(ModelError, match=message):
        cross_encoder.load(MODEL, tmp_path, require_gpu=require_gpu)


def test_a_missing_snapshot_is_reported_before_anything_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend_installed(monkeypatch)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"tiny/bert at commit 0123.* is not in the model cache: .*/config\.json") as e:
        cross_encoder.load(MODEL, tmp_path)
    assert not isinstance(e.value, UnusableModel)


def test_a_damaged_snapshot_is_reported(tmp_path: Path) -> None:
    config = hf_cache.snapshot(tmp_path, MODEL) / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text("{")
    with pytest.raises(ModelError, match=r"config\.json cannot be read .*\./archon verify"):
        hf_cache.read_config(tmp_path, MODEL)


def test_the_garbage_collector_seldom_runs_while_the_packages_are_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silencers = ("disable_progress_bar", "disable_default_handler", "enable_propagation")
    (tmp_path / "torch.py").write_text("import gc\nthreshold = gc.get_threshold()[0]\n")
    (tmp_path / "sentence_transformers.py").write_text("CrossEncoder = None\n")
    (tmp_path / "transformers" / "utils").mkdir(parents=True)
    (tmp_path / "transformers" / "utils" / "logging.py").write_text(f"{' = '.join(silencers)} = lambda: None\n")
    for name in list(sys.modules):
        if name.split(".")[0] in {"torch", "transformers", "sentence_transformers"}:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    usual = gc.get_threshold()

    torch, _ = cross_encoder._import_environment()

    assert torch.threshold >= 50 * usual[0]
    assert gc.get_threshold() == usual


@pytest.mark.ml
def test_packages_that_cannot_be_imported_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = hf_cache.snapshot(tmp_path, MODEL) / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text("{}")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(BrokenEnvironment, match=r"The environment cannot be imported \(ModuleNotFoundError"):
        cross_encoder.load(MODEL, tmp_path)


@pytest.fixture
def copied(written: tuple[Path, Model, Model], tmp_path: Path) -> tuple[Path, Model, Model]:
    """A copy that the test may change."""
    cache, bert, qwen3 = written
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    return tmp_path, bert, qwen3


@pytest.fixture(scope="module")
def half_precision(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    import torch

    cache = tmp_path_factory.mktemp("half")
    return cache, tiny.write_qwen3(cache, dtype=torch.bfloat16)


def reference(cache: Path, model: Model, prompts: list[str]) -> list[float]:
    """The score as the model card computes it: the probability of "yes" when the next word is "yes" or "no"."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = hf_cache.snapshot(cache, model)
    tokenizer = AutoTokenizer.from_pretrained(path)
    network = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    yes_no = tokenizer.convert_tokens_to_ids(["yes", "no"])
    with torch.no_grad():
        logits = [network(**tokenizer(prompt, return_tensors="pt")).logits[0, -1, yes_no] for prompt in prompts]
    return [torch.softmax(pair, 0)[0].item() for pair in logits]


def assert_as_classified(reranker: Reranker, cache: Path, model: Model) -> None:
    """Alone and in batches, the scores equal those of transformers' own classes."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = hf_cache.snapshot(cache, model)
    tokenizer = AutoTokenizer.from_pretrained(path)
    network = AutoModelForSequenceClassification.from_pretrained(path).eval()
    with torch.no_grad():
        options = {"truncation": True, "max_length": network.config.max_position_embeddings, "return_tensors": "pt"}
        logits = [network(**tokenizer(QUERY, passage, **options)).logits[0, 0] for passage in PASSAGES]
    expected = [torch.sigmoid(logit).item() for logit in logits]
    assert reranker.score(QUERY, PASSAGES) == pytest.approx(expected, abs=1e-4)
    assert [reranker.score(QUERY, [passage])[0] for passage in PASSAGES] == pytest.approx(expected, abs=1e-4)


QUERY = "How do bees make honey?"
PASSAGES = [*(passage for _, passage in baseline.KNOWN_PAIRS), "short", "A long passage. " * 40]


@pytest.mark.ml
def test_a_bert_cross_encoder_is_loaded_and_passes_the_baseline_check(written: tuple[Path, Model, Model]) -> None:
    cache, bert, _ = written
    reranker = cross_encoder.load(bert, cache)
    assert (reranker.runtime.device, reranker.runtime.dtype) == ("cpu", "float32")
    assert reranker.runtime.threads >= 1
    assert len(baseline.check_known_answers(reranker)) == len(baseline.KNOWN_PAIRS)
    scores = reranker.score(QUERY, PASSAGES)
    assert all(type(score) is float and 0 <= score <= 1 for score in scores)
    assert_as_classified(reranker, cache, bert)
    assert reranker.runtime.memory_bytes == pytest.approx(memory_estimate.estimate(cache, bert), rel=0.02)


@pytest.mark.ml
def test_a_causal_model_made_into_a_classifier_is_scored_by_its_head(tiny: ModuleType, tmp_path: Path) -> None:
    model = tiny.write_qwen3_classifier(tmp_path)
    reranker = cross_encoder.load(model, tmp_path)
    baseline.check_known_answers(reranker)
    assert_as_classified(reranker, tmp_path, model)


def edit_config(cache: Path, model: Model, edit: Callable[[dict], None]) -> None:
    path = hf_cache.snapshot(cache, model) / "config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))


class Tokenizer:
    """As transformers' tokenizers set the id of a token that is set."""

    def __init__(self, pad_token_id: int | None) -> None:
        self.pad_token_id = pad_token_id

    def convert_ids_to_tokens(self, id_: int) -> str:
        return f"<{id_}>"

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(*(("pad_token_id", int(value.strip("<>"))) if name == "pad_token" else (name, value)))


@pytest.mark.parametrize(
    ("of_model", "of_tokenizer", "both"),
    [(None, 7, 7), (-1, 7, 7), (7, None, 7), (7, 8, None), (0, None, 0)],
)
def test_model_and_tokenizer_take_the_padding_token_of_each_other(
    tmp_path: Path, of_model: int | None, of_tokenizer: int | None, both: int | None
) -> None:
    encoder = SimpleNamespace(config=SimpleNamespace(pad_token_id=of_model), tokenizer=Tokenizer(of_tokenizer))
    cross_encoder._set_padding(encoder, MODEL)
    found = (encoder.config.pad_token_id, encoder.tokenizer.pad_token_id)
    assert found == ((of_model, of_tokenizer) if both is None else (both, both))


@pytest.mark.parametrize("of_model", [None, -1])
def test_a_model_without_any_padding_token_is_refused_for_good(of_model: int | None) -> None:
    encoder = SimpleNamespace(config=SimpleNamespace(pad_token_id=of_model), tokenizer=Tokenizer(None))
    with pytest.raises(UnusableModel, match="names no padding token"):
        cross_encoder._set_padding(encoder, MODEL)


@pytest.mark.ml
@pytest.mark.parametrize("missing", ["absent", "null"])
def test_a_classifier_without_a_padding_token_takes_the_tokenizers(
    tiny: ModuleType, tmp_path: Path, missing: str
) -> None:
    model = tiny.write_qwen3_classifier(tmp_path)
    expected = cross_encoder.load(model, tmp_path).score(QUERY, PASSAGES)
    edit_config(
        tmp_path,
        model,
        lambda config: config.pop("pad_token_id") if missing == "absent" else config.update(pad_token_id=None),
    )
    assert cross_encoder.load(model, tmp_path).score(QUERY, PASSAGES) == pytest.approx(expected, abs=1e-6)


@pytest.mark.ml
def test_a_model_with_code_of_its_own_is_refused_for_good(tiny: ModuleType, tmp_path: Path) -> None:
    model = tiny.write_bert(tmp_path)
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.Own"}
    edit_config(tmp_path, model, lambda config: config.update(model_type="own", architectures=["Own"], auto_map=own))
    (hf_cache.snapshot(tmp_path, model) / "own.py").write_text("raise SystemExit('own code was run')")
    with pytest.raises(UnusableModel, match="needs code of its own, which is not run"):
        cross_encoder.load(model, tmp_path)


@pytest.mark.ml
def test_qwen3_gets_the_prompt_of_its_model_card_and_scores_the_same_in_batches(
    tiny: ModuleType, written: tuple[Path, Model, Model]
) -> None:
    cache, _, qwen3 = written
    reranker = cross_encoder.load(qwen3, cache)
    baseline.check_known_answers(reranker)
    expected = reference(cache, qwen3, [tiny.model_card_prompt(QUERY, passage) for passage in PASSAGES])
    assert reranker.score(QUERY, PASSAGES) == pytest.approx(expected, abs=1e-4)
    assert [reranker.score(QUERY, [passage])[0] for passage in PASSAGES] == pytest.approx(expected, abs=1e-4)


@pytest.mark.ml
def test_a_snapshot_that_defines_how_its_pairs_are_built_is_followed(
    tiny: ModuleType, copied: tuple[Path, Model, Model]
) -> None:
    cache, _, qwen3 = copied
    tiny.add_modules_json(cache, qwen3, "{% for m in messages %}{{ m.content }} | {% endfor %}")
    expected = reference(cache, qwen3, [f"{QUERY} | {passage} | " for passage in PASSAGES])
    assert cross_encoder.load(qwen3, cache).score(QUERY, PASSAGES) == pytest.approx(expected, abs=1e-4)


@pytest.mark.ml
@pytest.mark.parametrize("flags", [frozenset({"avx512_bf16"}), frozenset()])
def test_weights_of_16_bits_get_the_dtype_that_is_fast_on_the_processor(
    half_precision: tuple[Path, Model], monkeypatch: pytest.MonkeyPatch, flags: frozenset[str]
) -> None:
    cache, model = half_precision
    monkeypatch.setattr(memory_estimate, "cpu_flags", lambda: flags)
    reranker = cross_encoder.load(model, cache)
    assert reranker.runtime.dtype == ("bfloat16" if flags else "float32")
    baseline.check_known_answers(reranker)


@pytest.mark.ml
@pytest.mark.parametrize("variant", ["float32", "bfloat16"])
def test_a_variant_decides_the_precision_and_stays_within_the_tolerance(
    written: tuple[Path, Model, Model], tmp_path: Path, variant: str
) -> None:
    cache, _, qwen3 = written
    recorded = record(tmp_path, cross_encoder.load(qwen3, cache))
    reranker = cross_encoder.load(replace(qwen3, variant=variant), cache)
    assert reranker.runtime.dtype == variant
    estimate = memory_estimate.estimate(cache, replace(qwen3, variant=variant))
    assert reranker.runtime.memory_bytes == pytest.approx(estimate, rel=0.01)
    assert (
        baseline.compare(recorded, reranker.runtime, baseline.check_known_answers(reranker)).largest_difference < 0.01
    )


@pytest.mark.ml
def test_damaged_weights_that_still_load_differ_from_the_baseline(
    tiny: ModuleType, copied: tuple[Path, Model, Model], tmp_path: Path
) -> None:
    cache, _, qwen3 = copied
    recorded = record(tmp_path, cross_encoder.load(qwen3, cache))
    weights_file = hf_cache.snapshot(cache, qwen3) / "model.safetensors"
    intact = weights_file.read_bytes()
    found = []
    for seed in range(8):
        tiny.damage(weights_file, seed)
        reranker = cross_encoder.load(qwen3, cache)
        tiny.replace_file(weights_file, intact)
        try:
            answers = baseline.check_known_answers(reranker)
        except (UnusableModel, ValueError):
            found.append("known answers")
            continue
        try:
            baseline.compare(recorded, reranker.runtime, answers)
        except UnusableModel as error:
            assert "(recorded " in str(error)
            found.append("baseline")
    # Most damage leaves the right passages first, so only the baseline reveals it.
    assert found.count("baseline") >= 4, found
    assert (
        baseline.compare(
            recorded, reranker.runtime, baseline.check_known_answers(cross_encoder.load(qwen3, cache))
        ).problem
        is None
    )


@pytest.mark.ml
def test_closing_a_model_frees_its_memory(written: tuple[Path, Model, Model]) -> None:
    import gc
    import weakref

    cache, _, qwen3 = written
    reranker = cross_encoder.load(qwen3, cache)
    network = weakref.ref(next(reranker._encoder.parameters()))
    gc.disable()
    try:
        reranker.close()
        assert network() is None
    finally:
        gc.enable()


def record(folder: Path, reranker: Reranker) -> Path:
    """Writes the baseline of this model as the store does."""
    path = folder / "tiny.proof.json"
    answers = [vars(answer) for answer in baseline.check_known_answers(reranker)]
    content = {"format": 1, "recorded": "2026", "device": "cpu", "dtype": reranker.runtime.dtype, "answers": answers}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.ml
def test_a_model_that_learned_the_opposite_fails_the_baseline_check(tiny: ModuleType, tmp_path: Path) -> None:
    reranker = cross_encoder.load(tiny.write_bert(tmp_path, inverted=True), tmp_path)
    with pytest.raises(UnusableModel, match="does not put known passages first"):
        baseline.check_known_answers(reranker)


@pytest.mark.ml
def test_a_classifier_is_not_a_reranker(tiny: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="gives 3 scores per pair"):
        cross_encoder.load(tiny.write_bert(tmp_path, labels=3), tmp_path)


@pytest.mark.ml
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_damaged_files_are_reported(copied: tuple[Path, Model, Model], name: str) -> None:
    cache, model, _ = copied
    path = hf_cache.snapshot(cache, model) / name
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BaseException) as caught:
        cross_encoder.load(model, cache)
    assert isinstance(caught.value, ModelError) or type(caught.value).__name__ == "PanicException"


@pytest.mark.ml
def test_nothing_is_requested_from_the_network_or_written_to_the_cache(
    written: tuple[Path, Model, Model], tmp_path: Path
) -> None:
    """In a separate process without sockets, because the settings of the libraries are read at import."""
    cache, bert, _ = written
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    script = (
        "import socket, sys\n"
        "from pathlib import Path\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        "from archon_server.reranking import baseline, cross_encoder\n"
        "from archon_server.settings import Model\n"
        f"print(len(baseline.check_known_answers(cross_encoder.load({bert!r}, Path({str(cache)!r})))))\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "HOME": str(tmp_path), "PYTHONUSERBASE": site.getuserbase()}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "3\n"), ended.stderr
    assert "\r" not in ended.stderr
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
