"""Proves what the gateway does when files change. That HAProxy takes a certificate, only the engine suite proves."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import tls


class FakeHaproxy:
    """Answers commands as HAProxy does, one a connection."""

    def __init__(self, path: Path) -> None:
        self.commands: list[str] = []
        self.commits = "Committing certificate.pem\nSuccess!\n"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                text = connection.recv(65536).decode()
                self.commands.append(text)
                connection.sendall((self.commits if text.startswith("commit") else "Done\n").encode())

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def haproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHaproxy]:
    monkeypatch.setattr(tls, "SOCKET", str(tmp_path / "haproxy.sock"))
    monkeypatch.setattr(tls, "COMBINED", tmp_path / "combined.pem")
    fake = FakeHaproxy(tmp_path / "haproxy.sock")
    yield fake
    fake.close()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    pair = (tmp_path / "certificate.pem", tmp_path / "key.pem")
    make(*pair)
    return pair


def make(certificate: Path, key: Path) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", *curve, "-subj", "/CN=test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)


def test_unchanged_files_are_left_alone(haproxy: FakeHaproxy, files: tuple[Path, Path]) -> None:
    tls.Renewals(*files).take()
    assert haproxy.commands == []


def test_renewed_files_are_handed_over_as_one(haproxy: FakeHaproxy, files: tuple[Path, Path]) -> None:
    renewals = tls.Renewals(*files)
    make(*files)
    renewals.take()
    renewals.take()
    combined = "".join(file.read_text() for file in files)
    assert haproxy.commands == [
        f"set ssl cert {tls.COMBINED} <<\n{combined}\n",
        f"commit ssl cert {tls.COMBINED}\n",
    ]
    # A container that starts again takes it too, and nobody else can read it.
    assert tls.COMBINED.read_text() == combined
    assert tls.COMBINED.stat().st_mode & 0o777 == 0o600


def test_between_two_writes_the_old_pair_is_kept(
    haproxy: FakeHaproxy, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renewals = tls.Renewals(*files)
    new = (tmp_path / "new.pem", tmp_path / "new-key.pem")
    make(*new)
    new[0].rename(files[0])
    renewals.take()
    renewals.take()
    assert haproxy.commands == []
    assert capsys.readouterr().out.count("the key does not belong to the certificate") == 1
    new[1].rename(files[1])
    renewals.take()
    assert len(haproxy.commands) == 2


def test_what_haproxy_refuses_is_given_up_and_tried_again(
    haproxy: FakeHaproxy, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    renewals = tls.Renewals(*files)
    make(*files)
    haproxy.commits = "Can't commit certificate.pem!\n"
    renewals.take()
    assert haproxy.commands[2] == f"abort ssl cert {tls.COMBINED}\n"
    assert "Can't commit" in capsys.readouterr().out
    haproxy.commits = "Success!\n"
    renewals.take()
    assert len(haproxy.commands) == 5


def test_a_chain_that_does_not_fit_into_a_command_is_refused(files: tuple[Path, Path]) -> None:
    certificate, key = files
    certificate.write_text(certificate.read_text() * 30)
    assert "leave out the root" in tls.check(certificate, key)["reasons"]["certificate"]


def test_empty_lines_do_not_end_the_command(files: tuple[Path, Path]) -> None:
    certificate, key = files
    certificate.write_text(certificate.read_text() + "\n\n")
    assert "\n\n" not in tls.read_pair(certificate, key)
