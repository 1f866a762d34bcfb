"""Single functions and classes: parsing, selection, messages, retries."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlenv.core import failpoints, preflight, progress
from mlenv.core.errors import HubError, MlenvError, NoSpaceError
from mlenv.environments.requirements import LockFile, Requirement, canonical, parse
from mlenv.environments.resolve import render
from mlenv.environments.uv import classify_failure
from mlenv.hub.download_progress import DownloadProgress
from mlenv.hub.hub import Hub
from mlenv.hub.retry import ATTEMPTS, Backoff, TransientError
from mlenv.models.selection import select

names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5})?", fullmatch=True)
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda text: f"sha256:{text}")
requirements = st.builds(
    Requirement,
    name=names.map(canonical),
    version=st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(rc1|\.post2|\+cu1)?", fullmatch=True),
    hashes=st.lists(digests, min_size=1, max_size=3, unique=True).map(lambda items: tuple(sorted(items))),
    size=st.integers(0, 10**12),
)


# A busy machine generates the texts slowly.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(requirements, min_size=1, max_size=5, unique_by=lambda item: item.name))
def test_a_rendered_lock_file_reads_back_the_same(items: list[Requirement]):
    text = render(LockFile(tuple(items)), {item.name: item.size for item in items}, "list.in", "x86_64-manylinux_2_28")
    lock = parse(text)
    assert lock.requirements == tuple(sorted(items, key=lambda item: item.name))
    assert lock.header == {"python": "cp311", "platform": "x86_64-manylinux_2_28"}


def test_lock_files_that_other_tools_write_are_read():
    sha = "a" * 64
    text = f"""
# a comment: that is not a header value
Flask_Cors[async] == 3.0.1 --hash=sha256:{sha}  # why it is here
    # via something
  # size: 12
zope.interface==5.0 \\
  --hash sha256:{sha}
"""
    flask, zope = parse(text).requirements
    assert (str(flask), flask.hashes, flask.size) == ("flask-cors==3.0.1", (f"sha256:{sha}",), 12)
    assert (str(zope), zope.size) == ("zope-interface==5.0", None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a==1.* --hash=sha256:" + "0" * 64, "'a==1.*' is not pinned"),
        ("a @ https://example.org/a.whl --hash=sha256:" + "0" * 64, "is not pinned"),
        ("./a.whl", "'./a.whl' is not pinned"),
        ("a==1; python_version<'3' --hash=sha256:" + "0" * 64, "a has a marker"),
        ("-r other.txt", "option '-r' is not allowed"),
        ("a==1 --hash=sha256:123", "is not sha256:<64 hex digits>"),
    ],
)
def test_lines_that_a_lock_file_must_not_have_are_refused(line: str, problem: str):
    with pytest.raises(MlenvError) as caught:
        parse(line)
    assert problem in str(caught.value)


REPOSITORY = [
    ".gitattributes",
    "1_Pooling/config.json",
    "2_Dense/pytorch_model.bin",
    "README.md",
    "config.json",
    "flax_model.msgpack",
    "model-00001-of-00002.safetensors",
    "model-q4.gguf",
    "model.onnx",
    "model.safetensors.index.json",
    "onnx/config.json",
    "onnx/model.onnx",
    "openvino/openvino_model.bin",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "rust_model.ot",
    "tf_model.h5",
    "tokenizer.json",
]


def test_the_default_selection_has_the_weights_once():
    assert select(REPOSITORY) == [
        "1_Pooling/config.json",
        "2_Dense/pytorch_model.bin",
        "README.md",
        "config.json",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
    ]


def test_pickles_are_selected_without_safetensors():
    assert select(["config.json", "pytorch_model.bin"]) == ["config.json", "pytorch_model.bin"]


@pytest.mark.parametrize(
    ("left", "repository"),
    [
        # As the authors trained them, beside what transformers reads.
        (
            ["metal/model.bin", "original/consolidated.00.pth", "original/params.json"],
            ["model-00001-of-00001.safetensors", "model.safetensors.index.json"],
        ),
        (["consolidated.safetensors"], ["model.safetensors", "params.json"]),
        ([], ["consolidated.safetensors", "params.json"]),
        # Other precisions.
        (["model.fp16.safetensors"], ["model.safetensors"]),
        (["model.bf16-00001-of-00002.safetensors", "model.safetensors.index.bf16.json"], ["model.safetensors"]),
        (["model-00001-of-00002.fp16.safetensors", "model.safetensors.index.fp16.json"], ["model.safetensors"]),
        (["vae/diffusion_pytorch_model.fp16.safetensors"], ["vae/diffusion_pytorch_model.safetensors"]),
        ([], ["unet/diffusion_pytorch_model.fp16.safetensors", "unet/config.json"]),
        # Other formats and frameworks.
        (["openvino_model.bin", "openvino_model.xml", "a.Q4_K_M.gguf", "vision/model.onnx"], ["model.safetensors"]),
        (
            ["tf_model-00001-of-00002.h5", "tf_model.h5.index.json", "flax_model.msgpack.index.json"],
            ["model.safetensors"],
        ),
        (["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"], ["model-00001-of-00002.safetensors"]),
        (["gptq_model-4bit-128g.bin"], ["gptq_model-4bit-128g.safetensors"]),
        (["unet/diffusion_pytorch_model.fp16.bin"], ["unet/diffusion_pytorch_model.bin"]),
        ([], ["model.fp16.safetensors", "config.json"]),
        (["model.int8.safetensors"], ["pytorch_model.bin"]),
        # The state of a training.
        (
            ["checkpoint-500/model.safetensors", "checkpoint-500/optimizer.pt", "training_args.bin"],
            ["pytorch_model.bin"],
        ),
        (["optimizer.pt", "rng_state_0.pth", "runs/a/events.out.tfevents.1", "scheduler.pt"], ["model.safetensors"]),
        (
            ["checkpoint-1/model.safetensors", "global_step10/mp_rank_00_model_states.pt"],
            ["latest", "model.safetensors"],
        ),
        # Adapters are no weights of the whole model.
        ([], ["adapter_config.json", "adapter_model.safetensors", "pytorch_model.bin"]),
        (["adapter_model.bin"], ["adapter_config.json", "adapter_model.safetensors"]),
        # One file instead of its shards.
        (["model-00001-of-00002.safetensors", "model.safetensors.index.json"], ["model.safetensors"]),
        # Pickles with names of their own, which a library may load beside the weights.
        ([], ["colbert_linear.pt", "pytorch_model.bin", "sparse_linear.pt"]),
        ([], ["colbert_linear.pt", "model.safetensors", "sparse_linear.pt", "vocab.bin", "voices/af.pt"]),
        ([], ["2_Dense/pytorch_model.bin", "model.safetensors", "modules.json"]),
    ],
)
def test_weights_that_are_there_once_more_are_left_out(left: list[str], repository: list[str]):
    assert select([*left, *repository]) == sorted(repository)


@given(
    st.permutations(REPOSITORY),
    st.lists(st.sampled_from(["*.json", "onnx/*", "*"])),
    st.lists(st.sampled_from(["*.bin", "R*"])),
)
def test_a_selection_is_sorted_and_a_subset(paths: list[str], allow: list[str], ignore: list[str]):
    chosen = select(paths, allow, ignore)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(paths)
    assert not any(path.endswith(".bin") for path in chosen if "*.bin" in ignore)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("  \u00d7 Failed to fetch: `https://x/simple/a/`\n  ╰─▶ dns error: failed to lookup", "cannot be reached"),
        ("error: invalid peer certificate: UnknownIssuer", "the CA bundle"),
        ("error: Request failed after 3 retries\n  Caused by: operation timed out", "cannot be reached"),
        ("error: Hash mismatch for `a==1`", "differs from the one in the lock file"),
        ("error: failed to write: No space left on device (os error 28)", "The disk is full."),
        ("Because a was not found in the package registry and you require a", "lacks a locked version"),
        ("something new", "Fix that and run this again"),
        ("", "(no output)"),
    ],
)
def test_a_failure_of_uv_says_what_to_do(output: str, expected: str):
    error = classify_failure("installing", output.splitlines(), 2)
    assert expected in str(error)
    assert all(line in str(error) for line in output.splitlines())
    assert isinstance(error, NoSpaceError) == ("No space" in output)


def test_sizes_are_readable():
    values = (0, 999, 1000, 999_499, 999_500, 1_191_588_280, 5_833_420_000, 123_456_789_012, 10**15)
    assert [progress.size(value) for value in values] == [
        "0 B", "999 B", "1 kB", "999 kB", "1 MB", "1.19 GB", "5.83 GB", "123 GB", "1000 TB",
    ]  # fmt: skip


def test_a_message_is_one_line(capsys: pytest.CaptureFixture[str]):
    progress.info("one\ntwo\rthree " + "x" * 10_000)
    progress.error("first\nsecond")
    printed = capsys.readouterr()
    assert printed.out.startswith("one two three xxx")
    assert len(printed.out.encode()) < 8192
    assert printed.out.count("\n") == 1
    assert printed.err == "mlenv: error: first\nmlenv: error: second\n"


def test_a_heartbeat_reports_while_the_work_runs(capsys: pytest.CaptureFixture[str]):
    beaten = threading.Event()

    def describe() -> str:
        beaten.set()
        return "downloading"

    with progress.heartbeat(describe, seconds=0.01):
        assert beaten.wait(5)
    before = threading.active_count()
    assert re.match(r"downloading, \d+\.\d s\n", capsys.readouterr().out)
    assert before == threading.active_count()


def test_pauses_grow_and_end():
    slept: list[float] = []
    backoff = Backoff("the hub at x", sleep=slept.append)
    for _ in range(ATTEMPTS - 1):
        backoff.wait_or_raise(TransientError("busy"))
    assert slept == [1, 2, 4, 8, 16]
    with pytest.raises(HubError, match=r"gave up on the hub at x after 6 attempts; last: busy"):
        backoff.wait_or_raise(TransientError("busy"))
    backoff.reset()
    backoff.wait_or_raise(TransientError("busy", 7200))
    assert slept[-1] == 300


def test_a_download_reports_its_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    now = [100.0]
    monkeypatch.setattr("mlenv.hub.download_progress.time.monotonic", lambda: now[0])
    download = DownloadProgress("Org/Name", 1_000_000_000)
    download.add_present(200_000_000)
    for _ in range(80):
        now[0] += 0.125
        download.add(5_000_000)
    assert capsys.readouterr().out.splitlines() == [
        "Org/Name: 400 MB of 1 GB, 40 MB/s, about 15 s left",
        "Org/Name: 600 MB of 1 GB, 40 MB/s, about 10 s left",
    ]


def test_durations_are_readable():
    assert [progress.duration(value) for value in (0.4, 59.4, 185, 7800)] == ["0 s", "59 s", "3 min 05 s", "2 h 10 min"]


def test_an_endpoint_must_be_a_url():
    with pytest.raises(HubError, match="expected a URL"):
        Hub("ftp://example.org", None)


def test_a_directory_of_a_container_is_described_by_its_place_on_the_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    mounts = [
        "21 1 0:20 / / ro - overlay overlay rw",
        f"22 21 253:0 /var/lib/ar\\040chon {tmp_path} rw shared:1 - ext4 /dev/sda1 rw",
        "23 21 0:21 / /tmp/elsewhere rw - tmpfs tmpfs rw",
    ]
    monkeypatch.setattr(preflight, "_mounts", lambda: mounts)
    assert preflight.describe(tmp_path / "sub") == f"{tmp_path}/sub (/var/lib/ar chon on /dev/sda1 of the host)"


def test_an_unknown_fail_point_is_a_bug():
    with pytest.raises(ValueError, match="not among the fail points"):
        failpoints.reach("populate.nowhere")
