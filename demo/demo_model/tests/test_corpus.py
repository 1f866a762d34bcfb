import random
from pathlib import Path

import pytest

from demo_model import corpus

SENTENCE = "Paragraph {} tells in more than fifteen words, as every passage must, what a reader wants to know."


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> corpus.Package:
    documents = {
        "./doc/faq/one.html": "<h1>Why?</h1>" + "".join(f"<p>{SENTENCE.format(n)}</p>" for n in range(7)),
        "./doc/two.html": f"<h1>Two</h1><p>{SENTENCE.format(0)}</p><p>{SENTENCE.format('x')}</p><p>Short.</p>",
        "./doc/whatsnew/3.html": f"<h1>News</h1><p>{SENTENCE.format('y')}</p>",
    }
    monkeypatch.setattr(corpus, "files", lambda package, folder: iter(documents.items()))
    return corpus.Package("manual", "1", "MIT", "*")


def test_passages_are_one_to_three_paragraphs_of_prose_without_repetitions(package: corpus.Package) -> None:
    found = list(corpus.passages(package, Path(), random.Random(0)))
    assert all(1 <= passage.text.count("Paragraph") <= 3 for passage in found)
    joined = " ".join(passage.text for passage in found)
    assert [joined.count(SENTENCE.format(n)) for n in (*range(7), "x")] == [1] * 8
    assert "Short." not in joined
    assert "Paragraph y" not in joined


def test_documents_of_the_validation_set_are_not_trained_on(
    package: corpus.Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "MANUALS", (package,))
    training, validation = corpus.manuals(Path(), random.Random(0))
    assert {passage.document for passage in training} == {"manual:./doc/two.html"}
    assert {passage.document for passage in validation} == {"manual:./doc/faq/one.html"}


def test_the_error_for_an_unavailable_package_says_what_to_do(
    package: corpus.Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(corpus.CorpusError) as raised:
        corpus.fetch(package, tmp_path / "downloads")
    assert str(raised.value) == (
        "apt does not offer manual 1: E: Unable to locate package\n"
        f"Run `apt-get update`, or put manual_1_*.deb from snapshot.debian.org into {tmp_path / 'downloads'}."
    )


def test_synsets_are_parsed_without_the_licence_markers_and_pointers() -> None:
    text = (
        "  1 This software is licensed\n"
        '00001740 00 s 03 quick 0 Fast(p) 0 right_away 0 001 @ 00002 n 0000 | done in little time; "a quick job"  \n'
    )
    assert list(corpus.parse_synsets(text)) == [(["quick", "Fast", "right away"], "done in little time; a quick job")]


def test_all_unavailable_packages_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(package: corpus.Package, folder: Path) -> Path:
        raise corpus.CorpusError(f"no {package.name}")

    monkeypatch.setattr(corpus, "fetch", refuse)
    with pytest.raises(corpus.CorpusError) as raised:
        corpus.fetch_all(Path())
    assert str(raised.value).splitlines() == [f"no {package.name}" for package in (*corpus.MANUALS, corpus.DICTIONARY)]
