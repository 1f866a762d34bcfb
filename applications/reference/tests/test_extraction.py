"""Files of all kinds: what a search finds of them, and why others are refused."""

import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_server import extraction
from archon_server.extraction import UnreadableFile, numbering, pdf
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
    "half a Word document": ("a.docx", lambda: files.docx(files.paragraph("otters"))[:150], "or it is damaged"),
    "another archive": ("a.docx", lambda: files.docx("", parts=["x.xml"]), "a ZIP file without a document in it"),
    "damaged XML": ("a.docx", lambda: files.docx("<w:p>"), "damaged XML"),
    "an empty Word document": ("a.docx", lambda: files.docx(""), "contains no text"),
    "an old Word document": ("a.doc", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save it as .docx"),
    "an encrypted Word document": ("a.docx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "without a password"),
    "entities that multiply": (
        "a.docx",
        lambda: files.docx(files.paragraph("&a;"), prologue='<!DOCTYPE x [<!ENTITY a "otter">]>'),
        "XML that is not allowed",
    ),
    "a page in an encoding that browsers refuse": ("a.html", lambda: b"<meta charset=hz-gb-2312>x", "save it as UTF-8"),
    "a page that is not text": ("a.html", lambda: bytes(range(256)) * 9, "zero bytes"),
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
    assert f"llowed are {extraction.ALLOWED}" in body["error"]
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


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"


def read(content: bytes, name: str, tmp_path: Path) -> tuple[str, list[str]]:
    """The text of a file, and what was left out of it."""
    path = tmp_path / name
    path.write_bytes(content)
    with path.open("rb") as file:
        lines = list(extraction.lines(file, name, len(content)))
    return "".join(line.text for line in lines), [line.left_out for line in lines if line.left_out]


def word(body: str, tmp_path: Path, *, related: dict[str, tuple[str, str]] | None = None, **options: str) -> Any:
    """Reads a document whose main part points to `related`: the last word of a type, the part's name and its XML."""
    main = options.get("main", "word/document.xml")
    namespaces = (
        f'xmlns:w="{options.get("namespace", WORD)}" xmlns:m="urn:x/officeDocument/2006/math" '
        'xmlns:mc="urn:mc" xmlns:a="urn:x/drawingml/2006/main" xmlns:wp="urn:wp" xmlns:v="urn:v"'
    )
    separator = options.get("separator", "/")
    link = '<Relationship Id="r{}" Type="urn:x/relationships/{}" Target="{}"/>'
    links = [link.format(i, kind, name) for i, (kind, (name, _)) in enumerate((related or {}).items())]
    parts = {
        "_rels/.rels": f"<Relationships>{link.format(1, 'officeDocument', '/' + main)}</Relationships>",
        main: f"<w:document {namespaces}><w:body>{body}</w:body></w:document>",
        main.replace("word/", "word/_rels/") + ".rels": f"<Relationships>{''.join(links)}</Relationships>",
    }
    for name, xml in (related or {}).values():
        parts["word/" + name] = f"<w:part {namespaces}>{xml}</w:part>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, xml in parts.items():
            archive.writestr(name.replace("/", separator), xml)
    return read(out.getvalue(), "a.docx", tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"main": "word/document2.xml"},
        {"main": "word/document.xml", "separator": "\\"},
        {"main": "word/Other.xml", "separator": "\\"},
        {"namespace": STRICT},
        {"namespace": STRICT, "main": "word/document2.xml"},
    ],
)
def test_a_word_document_is_read_wherever_its_text_is(options: dict[str, str], tmp_path: Path) -> None:
    body = '<w:p><w:pPr><w:pStyle w:val="Heading2"/></w:pPr><w:r><w:t>Otters</w:t></w:r></w:p>'
    assert word(body, tmp_path, **options)[0].strip() == "## Otters"


@pytest.mark.parametrize("part", ["word/my doc.xml", "word/my%20doc.xml"])
def test_a_part_is_found_with_and_without_the_encoding_of_its_address(part: str, tmp_path: Path) -> None:
    parts = {
        "_rels/.rels": files.relationships(("r", "officeDocument", "word/my%20doc.xml")),
        part: f'<w:document xmlns:w="{WORD}"><w:body>{files.paragraph("Otters")}</w:body></w:document>',
    }
    assert read(files.zipped(parts), "a.docx", tmp_path)[0].strip() == "Otters"


@pytest.mark.parametrize(
    ("run", "text"),
    [
        ("<w:r><w:t>1</w:t><w:noBreakHyphen/><w:t>24 hours</w:t></w:r>", "1-24 hours"),
        ("<w:r><w:t>sea</w:t><w:softHyphen/><w:t>weed</w:t></w:r>", "seaweed"),
        (
            "<w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:ptab/><w:t>c</w:t></w:r>",
            "a b c",
        ),
        ('<w:r><w:sym w:font="Symbol" w:char="F061"/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>', "\u03b1✓"),
        ('<w:r><w:sym w:font="Arial" w:char="00A7"/></w:r>', "§"),
        ('<w:r><w:sym w:font="Webdings" w:char="F021"/></w:r>', "[symbol F021 of Webdings]"),
        ("<m:oMath><m:r><m:t>E=mc</m:t></m:r><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:oMath>", "E=mc^2"),
        (
            "<m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2c</m:t></m:r></m:den></m:f>",
            "(a+b)/2c",
        ),
        ("<m:d><m:e><m:r><m:t>a+b</m:t></m:r></m:e></m:d><m:r><m:t>c</m:t></m:r>", "(a+b)c"),
        (
            '<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val=""/></m:dPr><m:e><m:r><m:t>a</m:t></m:r></m:e>'
            "<m:e><m:r><m:t>b</m:t></m:r></m:e></m:d>",
            "[a|b",
        ),
        (
            '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub><m:r><m:t>i=1</m:t></m:r></m:sub>'
            "<m:sup><m:r><m:t>n</m:t></m:r></m:sup><m:e><m:r><m:t>i</m:t></m:r></m:e></m:nary>",
            "∑_(i=1)^ni",
        ),
        ("<m:rad><m:deg/><m:e><m:r><m:t>x+1</m:t></m:r></m:e></m:rad>", "√(x+1)"),
        ('<w:r><w:t>10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>2</w:t></w:r>', "10²"),
        ('<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>st</w:t></w:r><w:r><w:t>2</w:t></w:r>', "st2"),
        (
            "<w:r><w:ruby><w:rt><w:r><w:t>とう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>東</w:t></w:r></w:rubyBase></w:ruby>"
            "<w:ruby><w:rt><w:r><w:t>きょう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>京</w:t></w:r></w:rubyBase></w:ruby>"
            "<w:t>都</w:t></w:r>",
            "東京都 (とうきょう)",
        ),
        ("<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>", "1/2"),
        (
            "<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:t>x</w:t><w:delText>old</w:delText></w:r></w:del>",
            "new",
        ),
        ("<w:moveFrom><w:r><w:t>kelp</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>kelp</w:t></w:r></w:moveTo>", "kelp"),
        (
            '<w:pPr><w:pPrChange><w:pPr><w:pStyle w:val="Heading1"/></w:pPr></w:pPrChange></w:pPr>'
            "<w:r><w:t>a</w:t></w:r>",
            "a",
        ),
        ('<w:r><w:pict><v:shape><v:textpath string="Word art"/></v:shape></w:pict></w:r>', "Word art"),
        (
            '<w:r><w:fldChar><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="otter"/>'
            '<w:listEntry w:val="kelp"/></w:ddList></w:ffData></w:fldChar></w:r>',
            "kelp",
        ),
        (
            "<m:m><m:mr><m:e><m:r><m:t>1</m:t></m:r></m:e><m:e><m:r><m:t>2</m:t></m:r></m:e></m:mr>"
            "<m:mr><m:e><m:r><m:t>3</m:t></m:r></m:e><m:e><m:r><m:t>4</m:t></m:r></m:e></m:mr></m:m>",
            "1 2; 3 4;",
        ),
        (
            '<w:fldSimple w:instr="D"><w:r><w:t>2024</w:t></w:r></w:fldSimple><w:dir><w:r><w:t>!</w:t></w:r></w:dir>',
            "2024!",
        ),
        ("<w:hyperlink><w:smartTag><w:r><w:t>link</w:t></w:r></w:smartTag></w:hyperlink>", "link"),
        ("<w:sdt><w:sdtContent><w:r><w:t>control</w:t></w:r></w:sdtContent></w:sdt>", "control"),
        ('<w:r><w:drawing><wp:docPr descr="An otter"/></w:drawing></w:r>', "[Image: An otter]"),
    ],
)
def test_nothing_in_a_word_paragraph_is_lost_or_read_twice(run: str, text: str, tmp_path: Path) -> None:
    assert word(f"<w:p>{run}</w:p>", tmp_path)[0].strip() == text


@pytest.mark.parametrize("choice", ["<w:txbxContent><w:p><w:r><w:t>kelp</w:t></w:r></w:p></w:txbxContent>", ""])
def test_a_text_box_is_read_once(choice: str, tmp_path: Path) -> None:
    fallback = "<w:txbxContent><w:p><w:r><w:t>kelp</w:t></w:r></w:p></w:txbxContent>"
    box = f"<mc:Choice>{choice}</mc:Choice><mc:Fallback>{fallback}</mc:Fallback>"
    run = f"<w:t>otters</w:t><mc:AlternateContent>{box}</mc:AlternateContent>"
    text, _ = word(f"<w:p><w:r>{run}</w:r></w:p>", tmp_path)
    assert text.split() == ["kelp", "otters"]


def test_a_picture_with_a_fallback_counts_once(tmp_path: Path) -> None:
    picture = "<mc:Choice><a:blip/></mc:Choice><mc:Fallback><v:imagedata/></mc:Fallback>"
    _, left_out = word(f"<w:p><w:r><mc:AlternateContent>{picture}</mc:AlternateContent></w:r></w:p>", tmp_path)
    assert left_out == ["images (1)"]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("con-\nfiguration", "configuration"),
        ("con\u2010 \r\n figuration", "configuration"),
        ("con\u00ad\nfiguration", "configuration"),
        ("\u043a\u043e\u043d-\n\u0444\u0438\u0433", "\u043a\u043e\u043d\u0444\u0438\u0433"),
        ("pages 3-\n5, 2023-\n24", "pages 3-\n5, 2023-\n24"),
        ("Nord-\nItalien", "Nord-\nItalien"),
        ("S\u00fcd-\n\u00d6sterreich", "S\u00fcd-\n\u00d6sterreich"),
        ("\ufb01re and tra\ufb03c", "fire and traffic"),
    ],
)
def test_words_of_a_pdf_are_whole(page: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pypdf.PageObject.extract_text", lambda _: page)
    lines = pdf.markdown(io.BytesIO(files.pdf(["x"])))
    assert "".join(line for line in lines if isinstance(line, str)).strip().replace("\\", "") == text


def test_columns_of_a_pdf_are_read_one_after_the_other(tmp_path: Path) -> None:
    lines = [(72, 720, "left con-"), (72, 700, "figuration"), (300, 720, "right trans-"), (300, 700, "ports")]
    stream = " ".join(f"1 0 0 1 {x} {y} Tm ({text}) Tj" for x, y, text in lines)
    text, left_out = read(files.pdf([f"BT /F1 12 Tf {stream} ET"]), "a.pdf", tmp_path)
    assert (text.split("\n")[:2], left_out) == (["left configuration", "right transports"], [])


def test_what_stands_above_a_page_of_a_pdf_is_read_and_the_rest_is_named(tmp_path: Path) -> None:
    annotations = [
        {"Subtype": "/Widget", "T": "Name", "V": "Otter"},
        {"Subtype": "/Widget", "T": "Box", "V": "/Yes"},
        {"Subtype": "/FreeText", "Contents": "typed"},
        {"Subtype": "/Text", "Contents": "comment"},
    ]
    text, left_out = read(files.pdf(["x", "y"], annotations=annotations, picture=True), "a.pdf", tmp_path)
    assert text.split() == ["x", "Name:", "Otter", "typed", "y", "Name:", "Otter", "typed"]
    assert left_out == ["comments (2)", "images (1)"]


NUMBERING = """<w:abstractNum w:abstractNumId="7">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="Custom"/><w:lvlText w:val="%1."/>
</w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="3"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="(%3)"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="9"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="none"/><w:lvlText w:val=""/>
</w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride>
</w:num>
<w:num w:numId="4"><w:abstractNumId w:val="9"/></w:num>"""


def listed(*numbers: str) -> str:
    """Paragraphs `x` of the lists and levels `number.level`."""
    properties = (number.partition(".")[::2] for number in numbers)
    numbered = (
        f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>' for number, level in properties
    )
    return "".join(f"<w:p><w:pPr>{each}</w:pPr><w:r><w:t>x</w:t></w:r></w:p>" for each in numbered)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (listed("1.0", "1.0", "1.0"), "1. x 2. x 3. x"),
        (listed("1.0", "1.1", "1.1", "1.0", "1.1"), "1. x 1.a) x 1.b) x 2. x 2.a) x"),
        (listed("1.0", "1.2", "1.2"), "1. x (III) x (IV) x"),
        (listed("2.0", "2.0"), "- x - x"),
        # Two lists count together if they share a definition, unless one starts again.
        (listed("1.0", "3.0", "3.0", "1.0"), "1. x 5. x 6. x 7. x"),
        (listed("4.0", "0.0", "9.0"), "x x - x"),
        (listed("1.0") + "<w:p/>" + listed("1.0"), "1. x 2. x"),
        # By the style, also of a heading, and not if the paragraph says so.
        ('<w:p><w:pPr><w:pStyle w:val="Custom"/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>' * 2, "## 1. x ## 2. x"),
        (
            '<w:p><w:pPr><w:pStyle w:val="Derived"/><w:numPr><w:numId w:val="0"/></w:numPr></w:pPr>'
            "<w:r><w:t>x</w:t></w:r></w:p>",
            "## x",
        ),
        ('<w:p><w:pPr><w:outlineLvl w:val="2"/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>', "### x"),
        ('<w:p><w:pPr><w:pStyle w:val="TOCHeading"/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>', "x"),
    ],
)
def test_lists_of_a_word_document_have_their_numbers(body: str, text: str, tmp_path: Path) -> None:
    styles = (
        '<w:style w:styleId="Custom"><w:name w:val="My own"/><w:pPr><w:outlineLvl w:val="1"/><w:numPr>'
        '<w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:styleId="Derived"><w:basedOn w:val="Custom"/></w:style>'
        '<w:style w:styleId="TOCHeading"><w:name w:val="TOC Heading"/><w:basedOn w:val="Custom"/><w:pPr>'
        '<w:outlineLvl w:val="9"/><w:numPr><w:numId w:val="0"/></w:numPr></w:pPr></w:style>'
    )
    related = {"numbering": ("numbering.xml", NUMBERING), "styles": ("styles.xml", styles)}
    assert " ".join(word(body, tmp_path, related=related)[0].split()) == text


@pytest.mark.parametrize(
    ("number", "style", "text"),
    [
        (4, "lowerRoman", "iv"),
        (1994, "upperRoman", "MCMXCIV"),
        (28, "lowerLetter", "bb"),
        (7, "decimalZero", "07"),
        (21, "chineseCounting", "二十一"),
        (3, "decimalEnclosedCircle", "③"),
        (0, "lowerRoman", "0"),
        (10**9, "upperLetter", "1000000000"),
        (5, "custom", "5"),
    ],
)
def test_numbers_are_written_as_word_does(number: int, style: str, text: str) -> None:
    assert numbering.written(number, style) == text


def test_notes_of_a_word_document_are_read_and_the_rest_is_named(tmp_path: Path) -> None:
    note = (
        '<w:{0}note w:type="separator"><w:p><w:r/></w:p></w:{0}note>'
        '<w:{0}note w:id="2"><w:p><w:r><w:t>{1}</w:t></w:r></w:p></w:{0}note>'
    )
    related = {
        "footnotes": ("footnotes.xml", note.format("foot", "The limit is 42 units.")),
        "endnotes": ("endnotes.xml", note.format("end", "Otters agree.")),
        "comments": ("comments.xml", "<w:p/>"),
    }
    body = '<w:p><w:r><w:t>See</w:t><w:footnoteReference w:id="2"/></w:r><w:r><a:blip/></w:r></w:p>'
    text, left_out = word(body, tmp_path, related=related)
    assert text.strip().split("\n\n") == ["See[^2]", "[^2]: The limit is 42 units.", "[^2]: Otters agree."]
    assert left_out == ["comments", "images (1)"]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1><img src=x></h1><p>Otters", "Otters"),
        ("<h1></h1>Otters", "Otters"),
        ("<h2>Sleep<p>Otters", "## Sleep\n\nOtters"),
        ("<h1><div>Sea<br>otters</div></h1><p>x", "# Sea otters\n\nx"),
        ("<ul><li></ul><p>Otters", "Otters"),
        ("<div><nav>menu</div><main>Otters</main>", "Otters"),
        ("<nav><svg></nav>Otters", "Otters"),
        ("<noscript>Otters</noscript>", "Otters"),
        ("<select><option>kelp<option>urchin</select>", "kelp\n\nurchin"),
        ("<ruby>東<rp>(<rt>とう<rp>)</rp>京<rt>きょう</ruby>都", "東京都 (とうきょう)"),
        ("<p><ruby>漢字<rt>かんじ</rt></ruby>を<ruby>読<rt>よ</rt></ruby>む", "漢字を読む (かんじ よ)"),
        ("10<sup>2</sup> m, H<sub>2</sub>O, 1<sup>st</sup>", "10² m, H₂O, 1st"),
        ("<form>a<form>b</form>c</form>d", "a\n\nb\n\nc\n\nd"),
        ("<template>never shown</template>Otters", "Otters"),
        ("Fish &amp chips &eacute &notin; &copy2024 &unknown; AT&T", "Fish & chips \u00e9 ∉ \u00a92024 &unknown; AT&T"),
        ("<b><i>Ot</b>ters</i></p></div>", "Otters"),
        ("<table><tr><td>a<table><tr><td>inner</table><td>b</table>", "a\n\ninner\n\nb"),
        ("a<!-- <p>comment --!>b<!-->c<![CDATA[d]]>", "abc"),
        # Older pages hide from browsers what is for old ones.
        ("a<![if !IE]>b<![endif]>c<![endif]-->d<!--[if IE]>e<![endif]-->", "abcd"),
        ("<div><template shadowrootmode=open><p>shown</p></template></div>", "shown"),
        ("<ol start=3><li>a<li value=7>b<ul><li>c</ul><li>d</ol><ul><li>e</ul>", "3. a\n7. b\n\n- c\n\n8. d\n\n- e"),
        ("<ol type=a><li>x<li>y</ol><ol reversed><li>z</ol>", "a. x\nb. y\n\n- z"),
        ("<math><mfrac><mn>1</mn><mrow><mi>a</mi><mo>+</mo><mn>2</mn></mrow></mfrac></math> cup", "1/(a+2) cup"),
        ("<math><msup><mi>x</mi><mn>2</mn></msup><mo>=</mo><msqrt><mn>16</mn></msqrt></math>", "x^2=√16"),
        ("<math><msubsup><mi>x</mi><mn>1</mn><mi>n</mi></msubsup></math></p>10<sup>2</sup>", "x_1^n\n\n10²"),
        (
            "<math><mtable><mtr><mtd>1</mtd><mtd>2</mtd></mtr><mtr><mtd>3</mtd><mtd>4</mtd></mtr></mtable></math>",
            "1 2; 3 4;",
        ),
        ("<math><semantics><mi>x</mi><annotation>x in TeX</annotation></semantics></math>y", "xy"),
        ("<math><mfrac><mn>1</p><p>never closed", "1\n\nnever closed"),
        ("<textarea>typed</textarea><script>if (a</b) </script>", "typed"),
    ],
)
def test_html_is_forgiven(page: str, text: str, tmp_path: Path) -> None:
    assert re.sub("\n{3,}", "\n\n", read(page.encode(), "a.html", tmp_path)[0]).strip() == text


def test_what_is_left_out_of_a_page_is_named(tmp_path: Path) -> None:
    page = "<nav>menu<img src=x></nav><img src=x><img src=x alt=''><img alt=Otter><video></video><iframe></iframe>kelp"
    text, left_out = read(page.encode(), "a.html", tmp_path)
    assert text.split() == ["Otter", "kelp"]
    assert left_out == ["films (1)", "frames (1)", "images (2)", "menus (1)"]


def test_a_long_heading_of_a_page_is_kept_whole(api: Api) -> None:
    api.upload(f"<h1>{'word ' * 600}TAIL</h1>", "a.html")
    assert any("TAIL" in text for _, text in headings(api, "tail"))


@pytest.mark.parametrize("before", [b"\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0" * 1000])
def test_a_pdf_may_have_bytes_before_its_header(before: bytes, tmp_path: Path) -> None:
    assert "Otters sleep" in read(before + files.pdf(["Otters sleep"]), "a.pdf", tmp_path)[0]


def test_what_is_left_out_is_in_the_reply(api: Api) -> None:
    body = api.upload(files.pdf(["otters", "", "kelp"]), "a.pdf")
    assert body["leftOut"] == ["pages without text (2): run text recognition on scanned ones"]
    assert body["message"].endswith("; left out: pages without text (2): run text recognition on scanned ones")


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.doc", b"otters", "save it as .docx"),
        ("a.xls", b"\x09\x08\x10\x00", "save it as .xlsx"),
        ("a.ppt", b"\xd0\xcf\x11\xe0", "save it as .pptx"),
        ("a.xlsb", b"PK\x03\x04", "save it as .xlsx"),
        ("a.key", b"PK\x03\x04", "save it as .pptx"),
        ("a.msg", b"\xd0\xcf\x11\xe0", "save each message as .eml"),
        ("a.mbox", b"From otter", "save each message as .eml"),
        ("a.mobi", b"otters", "convert it to EPUB or PDF"),
        ("a.zip", b"PK\x03\x04", "unpack it"),
        ("a.tar.gz", b"\x1f\x8b", "unpack it"),
        ("a.rtf", b"otters", "not an RTF file"),
        (
            "a.xml",
            b'<?xml version="1.0"?><?mso-application progid="Word.Document"?><w:wordDocument/>',
            "save it as .docx",
        ),
        ("a.xml", b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>', "save it as .xlsx"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0", "save it as .xlsx without a password"),
    ],
)
def test_a_format_that_is_not_read_is_refused_with_what_to_do(
    name: str, content: bytes, advice: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableFile, match=advice):
        read(content, name, tmp_path)
