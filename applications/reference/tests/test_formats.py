"""What is read of documents beside PDF, Word and HTML, and what is said to be left out."""

import io

import pytest

from archon_server import extraction
from archon_server.extraction import LeftOut, Refused
from archon_server.extraction.__main__ import parser
from tests import files
from tests.conftest import Api


def read(content: bytes | str, name: str) -> tuple[str, list[str]]:
    """The text of a file, without empty lines at its ends, and what was left out of it. Without the process around."""
    content = content.encode() if isinstance(content, str) else content
    kind = extraction.kind_of(name, content[:1024])
    assert kind, "a text"
    pieces = list(parser(kind)(io.BytesIO(content)))
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return text.strip(), [piece.what for piece in pieces if isinstance(piece, LeftOut)]


def blocks(text: str) -> list[str]:
    """The paragraphs of a text."""
    return [block.strip() for block in text.split("\n\n") if block.strip()]


# Rich text (RTF)

FONTS = (
    rb"{\fonttbl{\f0\fnil\fcharset0 Arial;}{\f1\fcharset204 Cyr;}{\f2\fcharset128 MS;}{\f3\ftech\fcharset2 Symbol;}}"
)


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (rb"{\rtf1\ansi otters\par kelp}", "otters\n\nkelp"),
        (rb"{\rtf1\ansi\ansicpg1252 caf\'e9}", "caf\u00e9"),
        (rb"{\rtf1\ansi\ansicpg1251\'ee\'f2\'f2\'e5\'f0}", "\u043e\u0442\u0442\u0435\u0440"),
        (rb"{\rtf1\ansi\ansicpg932 \'93\'8c\'8b\'9e}", "東京"),
        # The second byte may be written as a letter.
        (rb"{\rtf1\ansi\ansicpg932 \'83A\'83^}", "アタ"),
        (rb"{\rtf1\mac caf\'8e}", "caf\u00e9"),
        (rb"{\rtf1\pc caf\'82}", "caf\u00e9"),
        (rb"{\rtf1" + FONTS + rb"\f0 a\f1 \'ee\'f2\f2 \'93\'8c\f0 b}", "a\u043e\u0442東b"),
        (rb"{\rtf1" + FONTS + rb"{\f3 a} and {\f3\'a3}}", "\u03b1 and ≤"),
        ("{\\rtf1 caf\u00e9 東京}".encode(), "caf\u00e9 東京"),
        (rb"{\rtf1\uc1 \u26481?\u20140?}", "東京"),
        (rb"{\rtf1\uc2 \u26481\'8c\'8c\u20140??}", "東京"),
        (rb"{\rtf1\uc0 \u26481\u20140 x}", "東京x"),
        (rb"{\rtf1\uc1 \u-10179?\u-8704?}", "\U0001f600"),
        (rb"{\rtf1{\upr{?}{\*\ud{\u26481?}}}}", "東"),
        (rb"{\rtf1 1\_24 hours\~x, soft\-hyphen, 3\endash 4}", "1-24 hours x, softhyphen, 3\u20134"),
        (rb"{\rtf1 10{\super 2} m, H{\sub 2}O}", "10² m, H₂O"),
        (rb"{\rtf1{\stylesheet{\s1 heading 1;}{\s2 Body;}}\pard\s1 Otters\par\pard\s2 kelp\par}", "# Otters\n\nkelp"),
        (rb"{\rtf1\pard\outlinelevel1 Otters\par\pard kelp}", "## Otters\n\nkelp"),
        (rb"{\rtf1{\pntext 1.\tab}first\par{\listtext\tab 2.\tab}second\par}", "1. first\n\n2. second"),
        (rb"{\rtf1\trowd\cellx1 a\cell b\cell\row\trowd c\cell d\cell\row}", "a | b |\nc | d |"),
        (rb'{\rtf1{\field{\*\fldinst HYPERLINK "http://x"}{\fldrslt link}}}', "link"),
        (
            rb"{\rtf1 See{\super\chftn}{\footnote\pard\chftn The limit is 42.} it}",
            "See[^1] it\n\n[^1]: The limit is 42.",
        ),
        (rb"{\rtf1{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt boxed\par}}}x}", "boxed\n\nx"),
        (rb"{\rtf1{\object{\*\objdata 0102}{\result shown}}}", "shown"),
        (rb"{\rtf1{\*\unknown hidden{\b too}}x\unknownword y}", "xy"),
        (rb"{\rtf1{\info{\title T}{\author A}}x}", "x"),
        # Braces that do not match.
        (rb"{\rtf1 a}} b", "a"),
        (rb"{\rtf1 {{{ a", "a"),
        (rb"{\rtf1 a{\footnote never closed", "a[^1]\n\nnever closed"),
    ],
)
def test_rich_text_is_read(rtf: bytes, text: str) -> None:
    found, left_out = read(rtf, "a.rtf")
    assert sorted(blocks(found)) == sorted(blocks(text))
    assert left_out == []


@pytest.mark.parametrize(
    ("rtf", "left_out"),
    [
        (rb"{\rtf1 a{\pict\pngblip 89504e47}b}", "images (1)"),
        (rb"{\rtf1 a{\pict\bin5 {{{}}}b}", "images (1)"),
        (rb"{\rtf1 a{\*\shppict{\pict 00}}{\nonshppict{\pict 00}}b}", "images (1)"),
        (rb"{\rtf1{\header HEAD}ab}", "page headers (1)"),
        (rb"{\rtf1 a{\*\annotation comment}b}", "comments (1)"),
        (rb"{\rtf1 a{\deleted gone}b}", "deleted text (1)"),
    ],
)
def test_what_is_left_out_of_rich_text_is_named(rtf: bytes, left_out: str) -> None:
    assert read(rtf, "a.rtf") == ("ab", [left_out])


def test_rich_text_is_recognised_whatever_its_name() -> None:
    assert read(rb"{\rtf1 otters}", "a.doc")[0] == read(rb"{\rtf1 otters}", "a.txt")[0] == "otters"


# E-mail

HEADER = "Subject: Otters\nFrom: Ann <a@x>\nTo: b@x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nMIME-Version: 1.0\n"
SHOWN = "# Otters\n\nFrom: Ann <a@x>\nTo: b@x\nDate: Mon, 1 Jan 2024 10:00:00 +0000"


def multipart(kind: str, *parts: str, parameters: str = "") -> str:
    """A part of a message that consists of these; the lines of each are its header, an empty line and its text."""
    separator = f"={abs(hash(parts)):x}"
    inner = "".join(f"--{separator}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{separator}"{parameters}\n\n{inner}--{separator}--\n'


PLAIN, HTML = "Content-Type: text/plain\n\nplain", "Content-Type: text/html\n\n<p>rich<img src=cid:x>"
ATTACHED = 'Content-Type: application/pdf\nContent-Disposition: attachment; filename="a.pdf"\n\nx'


@pytest.mark.parametrize(
    ("body", "text", "left_out"),
    [
        (PLAIN, "plain", []),
        ("\nno type", "no type", []),
        (multipart("alternative", PLAIN, HTML), "rich", ["images (1)"]),
        (multipart("alternative", HTML, PLAIN), "plain", []),
        (multipart("alternative", PLAIN, "Content-Type: text/calendar\n\nBEGIN"), "plain", []),
        (
            multipart("mixed", multipart("alternative", PLAIN, HTML), ATTACHED),
            "rich",
            ["attachments (a.pdf): upload them by themselves", "images (1)"],
        ),
        (multipart("related", HTML, "Content-Type: image/png\n\nx"), "rich", ["images (2)"]),
        (
            multipart("related", PLAIN, HTML.replace("\n", "\nContent-ID: <x>\n", 1), parameters='; start="<x>"'),
            "rich",
            ["images (1)"],
        ),
        (multipart("mixed", PLAIN, PLAIN), "plain\n\nplain", []),
        (multipart("signed", PLAIN, "Content-Type: application/pgp-signature\n\nx"), "plain", []),
        (multipart("mixed", "Content-Type: message/rfc822\n\nSubject: Old\n\nforwarded"), "## Old\n\nforwarded", []),
        ("Content-Type: text/enriched\n\n<bold>plain</bold>", "plain", []),
        # A page without text is no alternative.
        (multipart("alternative", PLAIN, "Content-Type: text/html\n\n<html><body></body></html>"), "plain", []),
        (
            multipart(
                "mixed",
                "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogT2xkCgpvdHRlcg==",
            ),
            "## Old\n\notter",
            [],
        ),
        (
            multipart(
                "report",
                PLAIN,
                "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; y",
                "Content-Type: text/rfc822-headers\n\nSubject: Old",
            ),
            "plain\n\nReporting-MTA: dns; x\nFinal-Recipient: rfc822; y\n\nSubject: Old",
            [],
        ),
        (
            multipart("digest", "\nSubject: One\n\nfirst", "\nSubject: Two\n\nsecond"),
            "## One\n\nfirst\n\n## Two\n\nsecond",
            [],
        ),
        (
            "\nbefore\n\nbegin 644 kelp.txt\n%:&5L;&\\\n`\nend\nafter",
            "before\n\nafter",
            ["attachments (kelp.txt): upload them by themselves"],
        ),
        ("Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n%:&5L;&\\\n`\nend", "hello", []),
        (
            "Content-Type: message/external-body; access-type=URL\n\nContent-Type: text/plain\n\n",
            "",
            ["attachments (message/external-body): upload them by themselves"],
        ),
        ("Content-Type: text/plain; charset=gb2312\nContent-Transfer-Encoding: base64\n\n1uzpRrv5", "朱镕基", []),
        (
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9=\n s",
            "caf\u00e9 s",
            [],
        ),
        # Without its end.
        ('Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nplain', "plain", []),
    ],
)
def test_a_message_is_read(body: str, text: str, left_out: list[str]) -> None:
    found, named = read(HEADER + body, "a.eml")
    assert blocks(found) == [*blocks(SHOWN), *blocks(text)]
    assert sorted(named) == left_out


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        (b"=?utf-8?B?5oql5ZGK?=", "報告".replace("報", "\u62a5")),
        (b"=?iso-2022-jp?B?GyRCRWw1fhsoQg==?=", "東京"),
        # One character in two words.
        (b"=?utf-8?B?5oql5Q==?=\r\n =?utf-8?B?kYo=?=", "\u62a5\u544a"),
        (b"=?gb2312?Q?=D6=EC?= x", "\u6731 x"),
        ("caf\u00e9".encode(), "caf\u00e9"),
        (b"folded\r\n line", "folded line"),
        # With its language (RFC 2231).
        (b"=?utf-8*ja?B?5oql5ZGK?=", "\u62a5\u544a"),
        (b"=?nonsense?B?AAAA?=", "=?nonsense?B?AAAA?="),
    ],
)
def test_the_subject_of_a_message_is_its_title(subject: bytes, title: str) -> None:
    assert read(b"Subject: " + subject + b"\r\nFrom: a\r\n\r\nx", "a.eml")[0].startswith(f"# {title}\n")


@pytest.mark.parametrize("kind", ["multipart/encrypted", "application/pkcs7-mime"])
def test_an_encrypted_message_is_refused(kind: str) -> None:
    with pytest.raises(Refused, match="save it without encryption"):
        read(f"Subject: x\nContent-Type: {kind}\n\nx", "a.eml")


def test_a_message_that_is_signed_as_a_whole_is_refused() -> None:
    with pytest.raises(Refused, match="save it without signature"):
        read("Subject: x\nContent-Type: application/pkcs7-mime; smime-type=signed-data\n\nx", "a.eml")


def test_a_message_may_start_with_a_byte_order_mark() -> None:
    assert read("\ufeffSubject: Otters\n\nkelp", "a.eml")[0] == "# Otters\n\n\nkelp"


def test_a_saved_page_is_read_once() -> None:
    page = multipart("related", "Content-Type: text/html\n\n<h1>Otters</h1>", "Content-Type: text/css\n\np {}")
    assert read(f"MIME-Version: 1.0\n{page}", "a.mht") == ("# Otters", [])
    # Programs that export for Word write them under its name.
    assert read(f"From: x\nMIME-Version: 1.0\n{page}", "a.doc")[0].endswith("# Otters")


def test_a_page_with_the_name_of_a_workbook_is_read() -> None:
    assert read("<html><table><tr><td>a<td>b</table>", "a.xls")[0] == "a | b"


# OpenDocument


def p(text: str) -> str:
    return f"<text:p>{text}</text:p>"


NUMBERED = (
    '<text:list-style style:name="N"><text:list-level-style-number text:level="1" style:num-format="1" '
    'style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/>'
    '</text:list-style><text:list-style style:name="B"><text:list-level-style-bullet text:level="1"/></text:list-style>'
)

CONTINUED = 'text:style-name="N" text:continue-numbering="true"'


def items(*texts: str, attributes: str = 'text:style-name="N"') -> str:
    return (
        f"<text:list {attributes}>{''.join(f'<text:list-item>{text}</text:list-item>' for text in texts)}</text:list>"
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('<text:h text:outline-level="2">Otters</text:h>' + p("kelp"), "## Otters\n\nkelp"),
        (p("a<text:s text:c='3'/>b<text:tab/>c<text:line-break/>d"), "a   b c\nd"),
        (p("a <text:span>b</text:span> c"), "a b c"),
        (items(p("one"), p("two") + items(p("inner"), attributes="")), "1. one\n\n2. two\n\na) inner"),
        (items(p("one"), p("two"), attributes='text:style-name="B"'), "- one\n\n- two"),
        (
            items(p("one")) + items(p("two"), attributes=CONTINUED),
            "1. one\n\n2. two",
        ),
        (
            p(
                "See<text:note><text:note-citation>1</text:note-citation><text:note-body>"
                + p("The limit is 42.")
                + "</text:note-body></text:note> it"
            ),
            "See[^1] it\n\n[^1]: The limit is 42.",
        ),
        (p("<draw:frame><draw:text-box>" + p("boxed") + "</draw:text-box></draw:frame>otters"), "boxed\n\notters"),
        (
            p(
                "<text:ruby><text:ruby-base>東</text:ruby-base><text:ruby-text>とう</text:ruby-text></text:ruby>"
                "<text:ruby><text:ruby-base>京</text:ruby-base><text:ruby-text>きょう</text:ruby-text></text:ruby>へ"
            ),
            "東京へ (とうきょう)",
        ),
        (
            "<table:table><table:table-row><table:table-cell>" + p("a") + p("b") + "</table:table-cell>"
            "<table:table-cell><table:table><table:table-row><table:table-cell>" + p("inner") + "</table:table-cell>"
            "</table:table-row></table:table></table:table-cell></table:table-row></table:table>",
            "inner\n\na b",
        ),
        (p("<svg:desc>An otter</svg:desc>x"), "[Image: An otter]\n\nx"),
    ],
)
def test_an_open_document_is_read(body: str, text: str) -> None:
    found, left_out = read(files.odf(body, styles=NUMBERED), "a.odt")
    assert (blocks(found), left_out) == (blocks(text), [])
    assert blocks(read(files.flat_odf(body, styles=NUMBERED), "a.fodt")[0]) == blocks(text)


def test_what_is_left_out_of_an_open_document_is_named() -> None:
    body = (
        "<text:tracked-changes><text:changed-region>"
        + p("gone")
        + "</text:changed-region></text:tracked-changes>"
        + p("a<office:annotation>" + p("comment") + "</office:annotation>b<draw:frame><draw:image/></draw:frame>")
    )
    header = f"<office:document-styles {files.ODF}><style:header>{p('top')}</style:header></office:document-styles>"
    text, left_out = read(files.odf(body, parts={"styles.xml": header}), "a.odt")
    assert text == "ab"
    assert left_out == ["comments (1)", "deleted text (1)", "images (1)", "page headers (1)"]


def test_sheets_and_slides_of_an_open_document_have_headings() -> None:
    cell = "<table:table-cell{}>{}</table:table-cell>"
    row = "<table:table-row{}>{}</table:table-row>"
    rows = (
        row.format("", cell.format("", p("a")) + cell.format(' table:number-columns-repeated="2"', p("b")))
        # As sheets end: a million rows of a thousand cells without text.
        + row.format(' table:number-rows-repeated="1048570"', cell.format(' table:number-columns-repeated="1024"', ""))
    )
    sheet = f'<table:table table:name="Otters">{rows}</table:table>'
    assert read(files.odf(sheet, kind="spreadsheet"), "a.ods")[0] == "# Otters\n\na | b | b"
    page = '<draw:page draw:name="Otters"><draw:frame><draw:text-box>' + p("kelp") + "</draw:text-box></draw:frame>"
    notes = f"<presentation:notes>{p('said')}</presentation:notes></draw:page>"
    slides = files.odf(page + notes, kind="presentation")
    assert blocks(read(slides, "a.odp")[0]) == ["# Otters", "kelp", "said"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('office:value-type="float" office:value="42"', "42"),
        ('office:value-type="date" office:date-value="2024-03-05"', "2024-03-05"),
        ('office:value-type="string" office:string-value="kelp"', "kelp"),
        ('office:value-type="boolean" office:boolean-value="true"', "true"),
        ('table:formula="of:=[.A1]+1"', "=[.A1]+1"),
        ("", ""),
    ],
)
def test_a_cell_without_a_text_shows_its_value(cell: str, text: str) -> None:
    rows = f"<table:table-row><table:table-cell {cell}/></table:table-row>"
    assert read(files.odf(f"<table:table>{rows}</table:table>", kind="spreadsheet"), "a.ods")[0] == text


def test_a_repeated_row_and_a_text_box_of_a_sheet_are_read() -> None:
    cell = f"<table:table-cell>{p('a')}</table:table-cell>"
    row = f'<table:table-row table:number-rows-repeated="2">{cell}</table:table-row>'
    box = f"<table:shapes><draw:frame><draw:text-box>{p('boxed')}</draw:text-box></draw:frame></table:shapes>"
    text = read(files.odf(f"<table:table>{box}{row}</table:table>", kind="spreadsheet"), "a.ods")[0]
    assert text.split() == ["boxed", "a", "a"]


def test_an_encrypted_open_document_is_refused() -> None:
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    with pytest.raises(Refused, match="save it without a password"):
        read(files.odf(p("x"), parts={"META-INF/manifest.xml": manifest}), "a.odt")


# Books


def test_the_chapters_of_a_book_are_read_in_their_order() -> None:
    chapters = {"b c.xhtml": "<html><h1>Two</h1><p>kelp<img src='x'/></p></html>", "a.xhtml": "<h1>One</h1>"}
    book = files.epub(chapters, spine=["a.xhtml", "b c.xhtml", "a.xhtml", "missing"])
    text, left_out = read(book, "a.epub")
    assert blocks(text) == ["# One", "# Two", "kelp"]
    assert left_out == ["chapters that are missing (1)", "images (1)"]


def test_a_chapter_is_decoded_as_it_says() -> None:
    chapter = '<?xml version="1.0" encoding="Shift_JIS"?><p>東京</p>'.encode("cp932")
    assert read(files.epub({"a": chapter, "b": "<p>kelp</p>".encode("utf-16")}), "a.epub")[0].split() == [
        "東京",
        "kelp",
    ]


def book(manifest: str, *, root: str = "OEBPS/a.opf", named: str = "", **chapters: str) -> bytes:
    """A book with this manifest, whose spine names `a`; `named` is how the container writes `root`."""
    package = f'<package><manifest>{manifest}</manifest><spine><itemref idref="a"/></spine></package>'
    container = f'<container><rootfile full-path="{named or root}"/></container>'
    folder = root.rpartition("/")[0]
    inside = {f"{folder}/{name}.x": chapter for name, chapter in chapters.items()}
    return files.zipped({"META-INF/container.xml": container, root: package, **inside})


XHTML = 'media-type="application/xhtml+xml"'


@pytest.mark.parametrize(
    ("manifest", "options", "left_out"),
    [
        (
            f'<item id="a" href="a.svg" media-type="image/svg+xml" fallback="b"/><item id="b" href="b.x" {XHTML}/>',
            {},
            [],
        ),
        (
            '<item id="a" href="a.pdf" media-type="application/pdf" fallback="c"/>'
            f'<item id="c" href="c" media-type="x/y" fallback="b"/><item id="b" href="b.x" {XHTML}/>',
            {},
            [],
        ),
        ('<item id="a" href="b.x" media-type="Application/XHTML+XML"/>', {}, []),
        (f'<item id="a" href="b.x" {XHTML}/>', {"root": "my book/a.opf", "named": "my%20book/a.opf"}, []),
        (
            f'<item id="a" href="b.x" {XHTML}/><item id="n" href="n.x" {XHTML} properties="nav"/>'
            f'<item id="c" href="c.x" {XHTML}/>',
            {"n": "<nav>menu", "c": "<p>notes"},
            ["pages outside the reading order (1)"],
        ),
        # Fallbacks in a circle.
        (
            f'<item id="a" href="a" media-type="x/y" fallback="a"/><item id="b" href="b.x" {XHTML}/>',
            {},
            ["chapters of another type (x/y) (1)", "pages outside the reading order (1)"],
        ),
    ],
)
def test_a_chapter_is_found_however_the_book_names_it(
    manifest: str, options: dict[str, str], left_out: list[str]
) -> None:
    text, named = read(book(manifest, b="<p>kelp", **options), "a.epub")
    assert (text, named) == ("" if "x/y) (1)" in str(left_out) else "kelp", left_out)


@pytest.mark.parametrize(
    ("algorithm", "is_read"), [("http://www.idpf.org/2008/embedding", True), ("http://x/aes256-cbc", False)]
)
def test_a_book_that_is_protected_against_copying_is_refused(algorithm: str, is_read: bool) -> None:
    encryption = f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/></EncryptedData></encryption>'
    protected = files.epub({"a": "<p>otters"}, parts={"META-INF/encryption.xml": encryption})
    if is_read:
        assert read(protected, "a.epub")[0] == "otters"
    else:
        with pytest.raises(Refused, match="protected against copying"):
            read(protected, "a.epub")


# Presentations


def test_slides_are_read_in_the_order_they_are_shown() -> None:
    table = (
        "<p:graphicFrame><a:tbl><a:tr><a:tc><a:p><a:r><a:t>a</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>b</a:t></a:r>"
        "</a:p></a:tc></a:tr></a:tbl></p:graphicFrame>"
    )
    numbered = '<a:p><a:pPr><a:buAutoNum type="arabicPeriod"/></a:pPr><a:r><a:t>{}</a:t></a:r></a:p>'
    first = files.shape("Otters", kind="title") + files.shape("kelp") + files.shape("7", kind="sldNum") + table
    second = files.shape("Sleep", kind="ctrTitle") + files.shape(numbered.format("one"), numbered.format("two"))
    notes = f"<p:notes {files.OFFICE}>{files.shape('7', kind='sldNum')}{files.shape('said', kind='body')}</p:notes>"
    content = files.pptx(
        first,
        second,
        parts={"ppt/notesSlides/n1.xml": notes},
        related={1: files.relationships(("n", "notesSlide", "../notesSlides/n1.xml"))},
    )
    text, left_out = read(content, "a.pptx")
    assert blocks(text) == ["# Otters", "kelp", "a | b |", "Notes: said", "# Sleep", "1. one\n2. two"]
    assert left_out == []


def test_what_is_left_out_of_slides_is_named() -> None:
    chart, comments = ("c", "chart", "../charts/c.xml"), ("k", "comments", "../comments/k.xml")
    content = files.pptx(
        files.shape("otters") + '<p:pic><p:nvPicPr><p:cNvPr descr="An otter"/></p:nvPicPr><a:blip/></p:pic>',
        parts={"ppt/charts/c.xml": "<c/>", "ppt/comments/k.xml": "<c/>"},
        related={1: files.relationships(chart, comments)},
    )
    text, left_out = read(content, "a.pptx")
    assert blocks(text) == ["otters", "[Image: An otter]"]
    assert left_out == ["charts (1)", "comments (1)", "images (1)"]


def test_a_diagram_and_what_has_a_fallback_are_read_once() -> None:
    choice = f"<mc:Choice>{files.shape('kelp')}</mc:Choice><mc:Fallback>{files.shape('kelp')}</mc:Fallback>"
    diagram = f"<dgm {files.OFFICE}><a:p><a:r><a:t>urchins</a:t></a:r></a:p></dgm>"
    content = files.pptx(
        f"<mc:AlternateContent>{choice}</mc:AlternateContent>",
        parts={"ppt/diagrams/data1.xml": diagram},
        related={1: files.relationships(("d", "diagramData", "../diagrams/data1.xml"))},
    )
    assert blocks(read(content, "a.pptx")[0]) == ["kelp", "urchins"]


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ('<a:r><a:t>10</a:t></a:r><a:r><a:rPr baseline="30000"/><a:t>2</a:t></a:r><a:r><a:t> m</a:t></a:r>', "10² m"),
        (
            '<a:r><a:t>H</a:t></a:r><a:r><a:rPr baseline="-25000"/><a:t>2</a:t></a:r>'
            '<a:r><a:rPr baseline="0"/><a:t>O</a:t></a:r>',
            "H₂O",
        ),
        (
            "<mc:AlternateContent><mc:Choice><m:oMath><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t>"
            "</m:r></m:den></m:f></m:oMath></mc:Choice><mc:Fallback><a:r><a:t>half</a:t></a:r></mc:Fallback>"
            "</mc:AlternateContent>",
            "1/2",
        ),
    ],
)
def test_small_characters_and_formulas_of_a_slide_are_read_once(runs: str, text: str) -> None:
    assert read(files.pptx(files.shape(f"<a:p>{runs}</a:p>")), "a.pptx") == (text, [])


# Workbooks

FORMATS = (
    '<numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy;@"/><numFmt numFmtId="165" formatCode="0.0&quot;d&quot;"/>'
    '<numFmt numFmtId="166" formatCode="[h]:mm"/><numFmt numFmtId="167" formatCode="00000"/>'
    "</numFmts><cellStyleXfs><xf/></cellStyleXfs><cellXfs>"
    + "".join(f'<xf numFmtId="{id_}"/>' for id_ in (0, 14, 22, 10, 164, 165, 20, 166, 46, 167))
    + "</cellXfs>"
)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c t="s"><v>0</v></c>', "otters"),
        ('<c t="s"><v>1</v></c>', "東京"),
        ('<c t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c>', "inline"),
        ('<c t="str"><f>A1</f><v>result</v></c>', "result"),
        ('<c t="b"><v>1</v></c>', "TRUE"),
        ('<c t="e"><v>#N/A</v></c>', "#N/A"),
        ("<c><v>42</v></c>", "42"),
        ("<c><v>0.30000000000000004</v></c>", "0.3"),
        ("<c><v>1E-3</v></c>", "0.001"),
        ("<c><v>4006381333931123</v></c>", "4006381333931123"),
        ('<c s="1"><v>45356</v></c>', "2024-03-05"),
        ('<c s="2"><v>45356.5</v></c>', "2024-03-05 12:00"),
        ('<c s="3"><v>0.125</v></c>', "12.5%"),
        ('<c s="4"><v>45356</v></c>', "2024-03-05"),
        ('<c s="5"><v>42</v></c>', "42"),
        ('<c s="6"><v>0.5</v></c>', "12:00"),
        ('<c s="99"><v>42</v></c>', "42"),
        # More than a day, and numbers with zeros before them, which are names of something.
        ('<c s="7"><v>1.5</v></c>', "36:00"),
        ('<c s="8"><v>1.0001</v></c>', "24:00:09"),
        ('<c s="9"><v>42</v></c>', "00042"),
        # The first of January, and the day before the 29th of February 1900, which never was.
        ('<c s="1"><v>1</v></c>', "1900-01-01"),
        ('<c s="1"><v>59</v></c>', "1900-02-28"),
        ('<c s="1"><v>61</v></c>', "1900-03-01"),
        ('<c t="inlineStr"><is><t>a_x000D_b_x005F_x</t></is></c>', "a b_x"),
        ('<c t="s"><v>2</v></c>', "kelp, sea"),
        ('<c t="s"><v>99</v></c><c><v>1</v></c>', "1"),
        ("<c><v>not a number</v></c>", "not a number"),
    ],
)
def test_a_cell_is_read_as_it_is_shown(cell: str, text: str) -> None:
    strings = "<si><t>otters</t></si><si><r><t>東</t></r><rPh><t>とう</t></rPh><r><t>京</t></r></si>"
    strings += "<si><t>kelp,_x0009_sea</t></si>"
    content = files.xlsx({"Sea": f"<row>{cell}</row>"}, strings=strings, styles=FORMATS)
    found, left_out = read(content, "a.xlsx")
    assert (found.removeprefix("# Sea\n\n").strip(), left_out) == (text, [])


def test_dates_of_a_mac_count_from_1904() -> None:
    rows = {"Sea": '<row><c s="1"><v>43894</v></c></row>'}
    content = files.xlsx(rows, styles=FORMATS, settings='<workbookPr date1904="1"/>')
    assert read(content, "a.xlsx")[0] == "# Sea\n\n2024-03-05"


def test_every_sheet_of_a_workbook_has_a_heading() -> None:
    sheets = {"Sea": "<row><c><v>1</v></c><c><v>2</v></c></row><row/>", "Land": "<row><c><f>A1+1</f></c></row>"}
    drawing = f"<xdr {files.OFFICE}><a:p><a:r><a:t>boxed</a:t></a:r></a:p></xdr>"
    parts = {
        "xl/worksheets/_rels/sheet1.xml.rels": files.relationships(("d", "drawing", "../drawings/d.xml")),
        "xl/drawings/d.xml": drawing,
        "xl/drawings/_rels/d.xml.rels": files.relationships(("c", "chart", "../charts/c.xml")),
        "xl/charts/c.xml": "<c/>",
    }
    text, left_out = read(files.xlsx(sheets, parts=parts), "a.xlsx")
    assert blocks(text) == ["# Sea", "1 | 2", "boxed", "# Land", "=A1+1"]
    assert left_out == ["charts (1)", "results of formulas, which nobody calculated (1)"]


def test_the_content_of_a_document_decides_and_not_its_name() -> None:
    assert read(files.xlsx({"Sea": "<row><c><v>1</v></c></row>"}), "a.docx")[0] == "# Sea\n\n1"
    assert read(files.docx(files.paragraph("otters")), "a.odt")[0] == "otters"


def test_page_headers_of_a_sheet_are_named() -> None:
    rows = (
        "<row><c><v>1</v></c></row></sheetData><headerFooter><oddHeader>&amp;CTop</oddHeader></headerFooter><sheetData>"
    )
    assert read(files.xlsx({"Sea": rows}), "a.xlsx") == ("# Sea\n\n1", ["page headers (1)"])


# reStructuredText


@pytest.mark.parametrize(
    ("rst", "text"),
    [
        ("Otters\n======\n\nkelp\n\nSleep\n-----\n", "# Otters\n\nkelp\n\n## Sleep"),
        ("======\nOtters\n======\n\nSleep\n======\n", "# Otters\n\n## Sleep"),
        ("A\n=\nB\n-\nC\n~\nD\n-\n", "# A\n\n## B\n\n### C\n\n## D"),
        ("東京\n====\n", "# 東京"),
        ("Run::\n\n    # otters\n    swim()\n\nkelp", "Run:\n\n```\n# otters\nswim()\n```\n\nkelp"),
        ("::\n\n  a\n\n  b\n", "```\na\n\nb\n```"),
        (".. code-block:: python\n   :linenos:\n\n   swim()\n\nkelp", "```python\nswim()\n```\n\nkelp"),
        (".. note::\n\n   kelp", ".. note::\n\n   kelp"),
        ("a\n\n----\n\nb", "a\n\n----\n\nb"),
        ("=====  =====\na      b\n=====  =====", "=====  =====\na      b\n=====  ====="),
        ("# no heading", "    # no heading"),
    ],
)
def test_titles_and_literal_blocks_of_restructured_text_survive(rst: str, text: str) -> None:
    assert blocks(read(rst, "a.rst")[0]) == blocks(text)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.rtf", rb"{\rtf1 otters sleep}"),
        ("a.eml", b"Subject: x\n\notters sleep"),
        ("a.odt", files.odf(p("otters sleep"))),
        ("a.epub", files.epub({"a": "<p>otters sleep"})),
        ("a.pptx", files.pptx(files.shape("otters sleep"))),
        ("a.xlsx", files.xlsx({"Sea": '<row><c t="str"><v>otters sleep</v></c></row>'})),
        ("a.rst", b"Otters\n======\n\notters sleep"),
    ],
)
def test_documents_of_every_kind_are_uploaded_and_found(api: Api, name: str, content: bytes) -> None:
    body = api.upload(content, name)
    assert (body["status"], body["chunksStored"]) == ("completed", 1), body
    assert "otters sleep" in api.search("otter")["results"][0]["content"]
