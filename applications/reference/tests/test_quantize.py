"""Weights of 8 bits: the derived snapshot, and the scores of the model in it."""

import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from archon_server.reranking import (
    ModelError,
    UnusableModel,
    baseline,
    cross_encoder,
    hf_cache,
    memory_estimate,
    quantize,
)
from archon_server.settings import Model
from tests.test_cross_encoder import PASSAGES, QUERY, record

pytestmark = pytest.mark.ml

ZERO = "0" * 40


@pytest.fixture
def qwen3(written: tuple[Path, Model, Model]) -> tuple[Path, Model]:
    cache, _, model = written
    return cache, model


@pytest.fixture(autouse=True)
def vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model's products are too small to overflow on an older processor, so the flags are faked."""
    monkeypatch.setattr(cross_encoder, "cpu_flags", lambda: frozenset({"avx_vnni"}))


@pytest.mark.parametrize("flags", [frozenset({"avx2"}), frozenset()])
def test_a_processor_that_would_overflow_is_refused(
    qwen3: tuple[Path, Model], monkeypatch: pytest.MonkeyPatch, flags: frozenset[str]
) -> None:
    hub_dir, model = qwen3
    small = unpack(run(monkeypatch, hub_dir, model)[1], hub_dir, "local/refused")
    monkeypatch.setattr(cross_encoder, "cpu_flags", lambda: flags)
    with pytest.raises(UnusableModel, match="has weights of 8 bits, and this machine has a processor without"):
        cross_encoder.load(small, hub_dir)


def run(monkeypatch: pytest.MonkeyPatch, hub_dir: Path, model: Model, *options: str) -> tuple[int, bytes]:
    monkeypatch.setenv("HF_HOME", str(hub_dir.parent))
    output = io.BytesIO()
    arguments = ["--repo", model.repo, "--revision", model.revision, "--variant", "int8", *options]
    return quantize.main(arguments, output), output.getvalue()


def unpack(archive: bytes, hub_dir: Path, repo: str) -> Model:
    """Unpacks the archive as the store does, with the revision that the store computes."""
    folder = hub_dir / f"models--{repo.replace('/', '--')}" / "snapshots"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ZERO).mkdir(parents=True)
    lines = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for member in sorted(members, key=lambda each: each.name):
            content = members.extractfile(member).read()
            (folder / ZERO / member.name).write_bytes(content)
            lines.append(f"{hashlib.sha256(content).hexdigest()}  {member.name}\n")
    revision = hashlib.sha256("".join(lines).encode()).hexdigest()[:40]
    (folder / ZERO).rename(folder / revision)
    return Model("small", repo, revision)


def test_the_derived_model_is_smaller_and_passes_the_baseline_check_within_the_tolerance(
    qwen3: tuple[Path, Model], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub_dir, model = qwen3
    original = cross_encoder.load(model, hub_dir)
    status, archive = run(monkeypatch, hub_dir, model)
    assert status == 0
    small = unpack(archive, hub_dir, "local/qwen3-int8")

    for variant in ("auto", "int8"):
        reranker = cross_encoder.load(replace(small, variant=variant), hub_dir)
        assert reranker.runtime.dtype == "int8"
    assert reranker.runtime.memory_bytes < 0.7 * original.runtime.memory_bytes
    assert reranker.runtime.memory_bytes == pytest.approx(memory_estimate.estimate(hub_dir, small), rel=0.02)
    path = record(tmp_path, original)
    compared = baseline.compare(path, reranker.runtime, baseline.check_known_answers(reranker))
    assert (compared.tolerance, 0 < compared.largest_difference < 0.05) == (0.1, True)
    # A pair's score does not depend on the other pairs of its batch.
    together = reranker.score(QUERY, PASSAGES)
    alone = [reranker.score(QUERY, [passage])[0] for passage in PASSAGES]
    assert together == pytest.approx(alone, abs=0.01)


def test_the_archive_is_reproducible_and_its_revision_can_be_printed_alone(
    qwen3: tuple[Path, Model], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub_dir, model = qwen3
    _, archive = run(monkeypatch, hub_dir, model)
    assert run(monkeypatch, hub_dir, model) == (0, archive)
    assert run(monkeypatch, hub_dir, model, "--print-revision") == (0, b"")
    assert capsys.readouterr().out.strip() == unpack(archive, hub_dir, "local/other").revision


def test_a_model_in_several_files_keeps_a_correct_index(
    qwen3: tuple[Path, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen3ForCausalLM

    hub_dir, model = qwen3
    source = hf_cache.snapshot(hub_dir, model)
    sharded = hf_cache.snapshot(tmp_path / "hub", model)
    shutil.copytree(source, sharded)
    (sharded / "model.safetensors").unlink()
    Qwen3ForCausalLM.from_pretrained(source).save_pretrained(sharded, max_shard_size="200KB")
    assert len(list(sharded.glob("*.safetensors"))) > 1
    small = unpack(run(monkeypatch, tmp_path / "hub", model)[1], tmp_path / "hub", "local/sharded")
    whole = unpack(run(monkeypatch, hub_dir, model)[1], hub_dir, "local/whole")
    index = json.loads((hf_cache.snapshot(tmp_path / "hub", small) / quantize.INDEX).read_text())["weight_map"]
    assert "model.layers.0.mlp.up_proj.weight_scale" in index
    scores = cross_encoder.load(small, tmp_path / "hub").score(QUERY, PASSAGES)
    assert scores == cross_encoder.load(whole, hub_dir).score(QUERY, PASSAGES)


def test_only_a_derived_snapshot_is_used_as_int8_and_only_as_int8(
    qwen3: tuple[Path, Model], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub_dir, model = qwen3
    with pytest.raises(ModelError, match=r"as int8, but its snapshot contains weights of float32; .*derive"):
        cross_encoder.load(replace(model, variant="int8"), hub_dir)
    small = unpack(run(monkeypatch, hub_dir, model)[1], hub_dir, "local/small")
    with pytest.raises(ModelError, match="is to be used as bfloat16, but its snapshot contains weights of 8 bits"):
        cross_encoder.load(replace(small, variant="bfloat16"), hub_dir)
    assert run(monkeypatch, hub_dir, small) == (1, b"")
    assert "local/small is quantized already" in capsys.readouterr().err
    assert run(monkeypatch, hub_dir, Model("x", "no/model", ZERO)) == (1, b"")
    assert "no/model at commit 0000000000000000000000000000000000000000 is not in the model cache" in (
        capsys.readouterr().err
    )
