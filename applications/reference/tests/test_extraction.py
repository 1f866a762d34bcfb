"""Files of all kinds: what a search finds of them, and why others are refused."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_server import extraction
from archon_server.extraction import UnreadableFile
from archon_server.extraction.html import markdown
from archon_server.process import subprocesses
from tests import files
from tests.conftest import Api


def headings(api: Api, query: str) -> list[tuple[str, str]]:
    """Headings and text of the passages that a search finds."""
    results = api.search(query)["results"]
    return [(result["metadata"]["headers"], result["content"]) for result in results]


def test_a_pdf_is_found_under_its_bookmarks(api: Api) -> None:
    content = files.pdf(["Otters sleep (on their backs)", "# not a heading", "Kelp holds them"], bookmarks=["Sleep"])
    body = api.upload(content, "otters.pdf")
    assert (body["status"], body["chunksStored"]) == ("completed", 1), body
    [(heading, text)] = headings(api, "kelp")
    assert heading == "Sleep"
    assert "Otters sleep (on their backs)" in text
    assert "# not a heading" in text
    [item] = api.http.get("/api/knowledge-items").json()["items"]
    assert item["metadata"]["file_type"] == "application/pdf"


def test_a_pdf_is_recognised_by_its_first_bytes(api: Api) -> None:
    assert api.upload(files.pdf(["Otters sleep"]), "scan.txt")["status"] == "completed"
    assert "Otters sleep" in headings(api, "otter")[0][1]


def test_a_pdf_that_opens_without_a_password_is_read(api: Api) -> None:
    assert api.upload(files.pdf(["Otters sleep"], password=""), "protected.pdf")["status"] == "completed"


def test_a_word_document_keeps_its_headings_lists_and_tables(api: Api) -> None:
    listed = "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>first</w:t></w:r></w:p>"
    row = "<w:tr><w:tc>" + files.paragraph("kelp") + "</w:tc><w:tc>" + files.paragraph("urchin") + "</w:tc></w:tr>"
    body = (
        files.paragraph("Otters", "Heading1")
        + files.paragraph("They sleep &amp; eat")
        + files.paragraph("Essen", "berschrift2")
        + files.paragraph("Fish", "Custom")
        + files.paragraph("an urchin a day")
        + listed
        + f"<w:tbl>{row}</w:tbl>"
    )
    styles = '<w:style w:styleId="Custom"><w:name w:val="heading 3"/></w:style>'
    assert api.upload(files.docx(body, styles=styles), "otters.docx")["status"] == "completed"
    assert headings(api, "sleep") == [("Otters", "# Otters\n\nThey sleep & eat")]
    [(heading, text)] = headings(api, "kelp")
    assert heading == "Otters > Essen > Fish"
    assert "- first" in text
    assert "kelp | urchin |" in text


def test_a_page_keeps_its_headings_and_code_and_leaves_scripts_out(api: Api) -> None:
    page = """<!doctype html><html><head><title>t</title><style>p {otter}</style></head><body><nav>menu</nav>
    <h1>Otters</h1><p>They sleep<br>on their <b>backs</b>.</p><script>otterscript()</script>
    <h2 id=x>Feeding</h2><ul><li>fish<li>urchins</ul>
    <pre><code class="language-python">feed(
    "fish")
</code></pre><table><tr><th>a<th>b</tr><tr><td>kelp<td>otter</tr></table>"""
    assert api.upload(page, "otters.html")["status"] == "completed"
    [(heading, text)] = headings(api, "feeding")
    assert heading == "Otters > Feeding"
    assert "- fish\n- urchins" in text
    assert "a | b\nkelp | otter" in text
    assert '```python\nfeed(\n    "fish")\n```' in text
    assert "They sleep\non their backs." in headings(api, "sleep")[0][1]
    assert headings(api, "otterscript menu") == []
    [item] = api.http.get("/api/knowledge-items").json()["items"]
    assert item["metadata"]["code_examples_count"] == 1


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ('<meta charset="iso-8859-1"><p>caf\u00e9', "latin-1"),
        ("<p>caf\u00e9", "utf-8-sig"),
        ("<p>caf\u00e9", "utf-16"),
    ],
)
def test_a_page_is_read_in_the_encoding_it_names(api: Api, content: str, encoding: str) -> None:
    assert api.upload(content.encode(encoding), "page.htm")["status"] == "completed"
    assert "caf\u00e9" in headings(api, "caf\u00e9")[0][1]


@given(st.lists(st.sampled_from([*"<>/pre&# ", "<pre>", "</pre>", "<h1>", "</h1>", "<li>", "<svg>", "a", "\n", "```"])))
@settings(max_examples=200, deadline=None)
def test_broken_html_is_read(pieces: list[str]) -> None:
    text = "".join(piece for piece in markdown(io.BytesIO("".join(pieces).encode())) if isinstance(piece, str))
    assert text.count("a") <= "".join(pieces).count("a")


REFUSED = {
    "a PDF with a password": ("a.pdf", lambda: files.pdf(["otters"], password="x"), "encrypted; save it without"),
    "a PDF in name only": ("a.pdf", lambda: b"otters", "named .pdf but is not a PDF"),
    "half a PDF": ("a.pdf", lambda: files.pdf(["otters"])[:200], "damaged PDF"),
    "a PDF of pictures": ("a.pdf", lambda: files.pdf(["", ""]), "text recognition"),
    "half a Word document": ("a.docx", lambda: files.docx(files.paragraph("otters"))[:150], "not a Word document"),
    "another archive": ("a.docx", lambda: files.docx("", parts=["x.xml"]), "not a Word document"),
    "damaged XML": ("a.docx", lambda: files.docx("<w:p>"), "damaged XML"),
    "an empty Word document": ("a.docx", lambda: files.docx(""), "contains no text"),
    "an old Word document": ("a.doc", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save it as .docx"),
    "an encrypted Word document": ("a.docx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .docx"),
    "entities that multiply": (
        "a.docx",
        lambda: files.docx(files.paragraph("&a;"), prologue='<!DOCTYPE x [<!ENTITY a "otter">]>'),
        "XML that is not allowed",
    ),
    "a page in another encoding": ("a.html", lambda: b"<p>caf\xe9", "not text in utf-8"),
    "a page in an unknown encoding": ("a.html", lambda: b"<meta charset=otter><p>x", "encoding 'otter' is not known"),
    "a page in no encoding of text": ("a.html", lambda: b"<meta charset=base64><p>x", "is not known"),
    "a page without text": ("a.html", lambda: b"<script>x</script>", "contains no text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_unreadable_file_is_refused_with_what_is_allowed(
    api: Api, rows: Callable[[str], list[Any]], settings: Any, case: str
) -> None:
    name, content, problem = REFUSED[case]
    body = api.upload(content(), name)
    assert body["status"] == "error", body
    assert problem in body["error"]
    assert "llowed are PDF (.pdf), Word (.docx), HTML, and text in UTF-8" in body["error"]
    assert rows("SELECT count(*) FROM documents") == rows("SELECT count(*) FROM chunks") == [(0,)]


def test_a_decompression_bomb_is_refused_whatever_size_it_declares(
    api: Api, rows: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = files.docx_bomb(extraction.TEXT_BYTES)
    assert len(honest) < 1_000_000
    size = (extraction.TEXT_BYTES // 2**20 + 1) * 2**20 + len("<a></a>")
    lying = honest.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != honest
    elsewhere = files.docx_bomb(extraction.TEXT_BYTES, "word/styles.xml")
    for content in (honest, lying, elsewhere):
        body = api.upload(content, "bomb.docx")
        assert body["status"] == "error", body
        assert "llowed are PDF" in body["error"]
    assert rows("SELECT count(*) FROM chunks") == [(0,)]


def test_the_server_survives_a_parser_that_dies(
    api: Api, monkeypatch: pytest.MonkeyPatch, rows: Callable[[str], list[Any]]
) -> None:
    started = subprocess.Popen

    def killed(command: list[str], **options: Any) -> subprocess.Popen[str]:
        script = "import os, signal; print('half'); os.kill(os.getpid(), signal.SIGKILL)"
        return started([sys.executable, "-c", script], **options)

    monkeypatch.setattr(subprocesses.subprocess, "Popen", killed)
    body = api.upload(files.pdf(["otters"]), "a.pdf")
    assert body["status"] == "error"
    assert "could not be parsed within the limits" in body["error"]
    assert rows("SELECT count(*) FROM chunks") == [(0,)]
    monkeypatch.undo()
    assert api.upload(files.pdf(["otters"]), "a.pdf")["status"] == "completed"


def test_more_text_than_allowed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extraction, "TEXT_BYTES", 100)
    path = tmp_path / "a.pdf"
    path.write_bytes(files.pdf(["otters sleep on their backs"] * 10))
    with path.open("rb") as file, pytest.raises(UnreadableFile, match="more than 100 bytes of text; split it"):
        list(extraction.lines(file, "a.pdf", 1))


def test_the_limit_of_text_counts_bytes_and_not_characters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extraction, "TEXT_BYTES", 100)
    path = tmp_path / "a.html"
    path.write_text(f"<p>{'ä' * 60}</p>", encoding="utf-8")
    with path.open("rb") as file, pytest.raises(UnreadableFile, match="more than 100 bytes of text; split it"):
        list(extraction.lines(file, "a.html", 1))


def test_the_parsing_process_has_limits_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHON_API_TOKEN", "s3cret")
    seen: dict[str, Any] = {}
    started = subprocess.Popen

    def watched(command: list[str], **options: Any) -> subprocess.Popen[str]:
        seen.update(options["env"])
        process = started(command, **options)
        limits = Path(f"/proc/{process.pid}/limits")
        while process.poll() is None and str(extraction.MEMORY_BYTES) not in limits.read_text():
            pass
        seen["limited"] = process.poll() is None
        return process

    monkeypatch.setattr(subprocesses.subprocess, "Popen", watched)
    path = tmp_path / "a.pdf"
    path.write_bytes(files.pdf([f"otters {n}" for n in range(300)]))
    with path.open("rb") as file:
        assert "otters 299" in "".join(line.text for line in extraction.lines(file, "a.pdf", 1))
    assert "s3cret" not in seen.values()
    assert "PATH" in seen
    assert seen["limited"]
    assert not [name for name in seen if name.startswith("ARCHON_")]
