"""Bytes become text by the rules of browsers, and what is guessed or lost is said."""

# ruff: noqa: RUF001 (letters that look like others are what is tested)

import codecs
import io
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archon_server.extraction import encodings
from archon_server.extraction.encodings import Encoding, UnknownEncoding, named, of_bytes, of_file
from tests.conftest import Api


@pytest.mark.parametrize(
    ("label", "raw", "text"),
    [
        ("gb2312", "朱镕基".encode("gbk"), "朱镕基"),
        ("GBK", b"\x80 \x95\x32\x82\x36", "€ 𠀀"),
        ("shift_jis", "①髙﨑～".encode("cp932"), "①髙﨑～"),
        ("x-sjis", b"\x87\x40", "①"),
        ("euc-jp", b"\xad\xa1\xc6\xfc\xfc\xe2", "①日髙"),
        ("iso-2022-jp", b"\x1b$BF|K\\-!\x1b(B", "日本①"),
        ("euc-kr", "똠방각하".encode("cp949"), "똠방각하"),
        ("ks_c_5601-1987", "펲".encode("cp949"), "펲"),
        ("big5", "資料庫".encode("big5"), "資料庫"),
        ("big5-hkscs", "𠝹".encode("big5hkscs"), "𠝹"),
        ("iso-8859-1", "“x” 5 €".encode("cp1252"), "“x” 5 €"),
        ("latin1", b"\x81\x8d", "\x81\x8d"),
        ("us-ascii", b"\x93caf\xe9\x94", "“café”"),
        ("iso-8859-9", "€ğ".encode("cp1254"), "€ğ"),
        ("tis-620", "€ ก".encode("cp874"), "€ ก"),
        ("iso-8859-8-i", "שלום".encode("iso-8859-8"), "שלום"),
        ("logical", "שלום".encode("iso-8859-8"), "שלום"),
        ("koi8-u", "їжак".encode("koi8-u"), "їжак"),
        ("macintosh", "é".encode("mac-roman"), "é"),
        (" UTF8\n", "é".encode(), "é"),
        ("unicode", "é".encode("utf-16-le"), "é"),
    ],
)
def test_a_label_means_what_browsers_take_it_for(label: str, raw: bytes, text: str) -> None:
    assert of_bytes(raw, declared=label).decode(raw) == text


def test_labels_that_browsers_do_not_know_are_ignored() -> None:
    assert [named(label) for label in ("", "nonsense", "base64", "utf-7", "utf-32", "rot13", "cp037")] == [None] * 7
    assert of_bytes("é".encode(), declared="nonsense").name == "UTF-8"


@pytest.mark.parametrize("label", ["hz-gb-2312", "iso-2022-kr", "ISO-2022-CN", "replacement"])
def test_labels_that_browsers_refuse_are_refused(label: str) -> None:
    with pytest.raises(UnknownEncoding, match="save it as UTF-8"):
        of_bytes(b"x", declared=label)


@pytest.mark.parametrize(
    ("page", "name"),
    [
        (b'<meta charset="koi8-r">', "KOI8-R"),
        (b"<META CHARSET=koi8-r>", "KOI8-R"),
        (b"<html><head><title>a > b</title>\n<meta name=x\n charset = 'koi8-r' />", "KOI8-R"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "KOI8-R"),
        (b"<meta content='text/html;charset=\"koi8-r\"' http-equiv=content-type>", "KOI8-R"),
        (b'<meta charset=nonsense><meta charset="koi8-r">', "KOI8-R"),
        (b'<meta charset="koi8-r" charset="cp1251">', "KOI8-R"),
        (b"<!--><meta charset=koi8-r>-->", "KOI8-R"),
        (b'<?xml version="1.0" encoding="koi8-r"?><html>', "KOI8-R"),
        (b'<?xml version="1.0" encoding="cp1251"?><meta charset=koi8-r>', "KOI8-R"),
        (b"<meta charset=utf-16>", "UTF-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        # No element, not this attribute, or too late.
        (b"<!-- <meta charset=koi8-r> -->", "UTF-8"),
        (b"<script>'<meta charset=koi8-r>'</script>", "UTF-8"),
        (b"<style>/*<meta charset=koi8-r>*/</style>", "UTF-8"),
        (b"<title><meta charset=koi8-r></title>", "UTF-8"),
        (b"<p title='<meta charset=koi8-r>'>", "UTF-8"),
        (b"<p>charset=koi8-r", "UTF-8"),
        (b"<metadata charset=koi8-r>", "UTF-8"),
        (b"<a charset=koi8-r>", "UTF-8"),
        (b'<meta name=description content="text; charset=koi8-r">', "UTF-8"),
        (b'<meta http-equiv=refresh content="1; charset=koi8-r">', "UTF-8"),
        (b" " * 1024 + b"<meta charset=koi8-r>", "UTF-8"),
    ],
)
def test_only_a_meta_at_the_start_of_a_page_names_its_encoding(page: bytes, name: str) -> None:
    assert of_bytes(page, html=True) == Encoding(name)
    assert of_bytes(page) == Encoding("UTF-8")


def test_a_mark_decides_then_the_protocol_then_the_page() -> None:
    page = b'<meta charset="koi8-r">'
    assert of_bytes(codecs.BOM_UTF8 + page, declared="cp1251", html=True).name == "UTF-8"
    assert of_bytes(page, declared="cp1251", html=True).name == "windows-1251"
    assert of_bytes(page, html=True).name == "KOI8-R"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_is_honoured_and_is_not_part_of_the_text(api: Api, codec: str) -> None:
    body = api.upload("# Größe\n\nalles".encode(codec))
    assert (body["status"], "guessedEncodings" in body) == ("completed", False)
    assert api.search("größe")["results"][0]["metadata"]["headers"] == "Größe"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_both_byte_orders_have_a_mark(order: str) -> None:
    raw = "\ufeffGröße".encode(order)
    assert of_bytes(raw).decode(raw) == "Größe"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text",
    [
        "Otters sleep on their backs.\n",
        "数据库连接超时时间为三十秒。请检查网络配置，然后重新启动服务。\n",
        "数据库连接超时时间为三十秒。请检查网络配置",
        "データベース接続がタイムアウトしました。設定を確認する必要があります。",
        "데이터베이스 연결 제한시간은 삼십 초입니다.",
        "Тайм-аут подключения к базе данных составляет тридцать секунд.",
        "مهلة الاتصال بقاعدة البيانات ثلاثون ثانية.",
        "หมดเวลาเชื่อมต่อฐานข้อมูลคือสามสิบวินาที",
        "👍🏽 otters 👩\u200d💻 sleep\r\n" * 20_000,
    ],
)
def test_utf_16_is_told_without_a_mark(text: str, order: str) -> None:
    raw = text.encode(order)
    assert of_bytes(raw).decode(raw) == text


SENTENCES = {
    "windows-1251": "Привет, это текст на русском языке.",
    "KOI8-R": "Привет, это текст на русском языке.",
    "x-mac-cyrillic": "Привет, это текст на русском языке. Сервер базы данных перезапускается каждую ночь.",
    "IBM866": "Привет, это текст на русском языке.",
    "ISO-8859-5": "Привет, это текст на русском языке.",
    "ISO-8859-6": "مرحبا بالعالم هذا نص. يعاد تشغيل خادم قاعدة البيانات كل ليلة.",
    "macintosh": "Räksmörgås på ön är gott. Databasen startas om varje natt och loggen sparas i sju dagar. Åsa äter.",
    "windows-1252": "Der Übergang für große Städte läuft über fünf Brücken.",
    "windows-1250": "Zażółć gęślą jaźń, proszę państwa",
    "windows-1253": "Καλημέρα κόσμε",
    "windows-1254": "İstanbul'da güneşli bir gün ışık",
    "windows-1255": "שלום עולם זה טקסט",
    "windows-1256": "مرحبا بالعالم هذا نص",
    "windows-874": "เอกสารภาษาไทยไม่มีช่องว่าง",
    "gb18030": "数据库连接超时时间为三十秒。",
    "Big5": "資料庫連線逾時時間為三十秒。",
    "Shift_JIS": "データベース接続のタイムアウト",
    "EUC-JP": "日本語のテキストです。",
    "EUC-KR": "데이터베이스 연결 제한시간은 삼십 초입니다.",
    "ISO-2022-JP": "日本語のテキストです。",
    "UTF-16LE": "plain text without a mark, in Windows' Unicode",
    "UTF-16BE": "plain text without a mark, in Java's Unicode",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_nothing_names_is_guessed_and_said(api: Api, name: str) -> None:
    codec = encodings._CODECS[name]
    # Far behind what a sample of the start would show.
    raw = ("plain words\n" * 9000 * (not name.startswith("UTF-16")) + SENTENCES[name]).encode(codec)
    if name == "ISO-2022-JP":
        raw = SENTENCES[name].encode(codec)
    body = api.upload(raw, "notes.txt")
    assert body["status"] == "completed", body
    [guess] = body["guessedEncodings"]
    assert guess["name"] == name
    assert 0 < guess["confidence"] <= 1
    assert f"read as {name}, a guess (" in body["message"]
    assert SENTENCES[name] in api.search(SENTENCES[name])["results"][0]["content"]


def test_the_encoding_of_a_page_is_guessed_in_its_own_process(api: Api) -> None:
    body = api.upload("<p>Привет, это текст на русском языке".encode("cp1251"), "page.html")
    assert [guess["name"] for guess in body["guessedEncodings"]] == ["windows-1251"]
    assert "русском" in api.search("русском")["results"][0]["content"]


def test_the_encoding_that_a_client_names_counts(api: Api) -> None:
    for name in ("notes.txt", "page.html"):
        part = (name, "Größe, İ".encode("cp1254"), 'text/plain; charset="ISO-8859-9"')
        reply = api.http.post("/api/documents/upload", files={"file": part})
        body = api.ended(reply.json()["progressId"])
        assert "guessedEncodings" not in body
        assert "Größe, İ" in api.search("größe", source=body["sourceId"])["results"][0]["content"]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("notes.txt", "Größe und Länge, ".encode() * 3 + b"\xff"),
        ("page.html", b'<meta charset="utf-8"><p>Gr\xf6sse'),
        ("notes.md", "already lost: \ufffd".encode()),
    ],
)
def test_what_cannot_be_read_is_said(api: Api, name: str, raw: bytes) -> None:
    body = api.upload(raw, name)
    assert body["status"] == "completed", body
    assert body["leftOut"] == ["characters that cannot be read, stored as \ufffd (1)"]
    assert "cannot be read" in body["message"]


def test_a_page_without_line_ends_is_guessed_from_where_it_is_not_ascii() -> None:
    raw = b"x" * 500_000 + " Привет, это текст на русском языке".encode("cp1251")
    assert of_bytes(raw, html=True).name == "windows-1251"


def test_escape_sequences_of_a_terminal_are_utf8() -> None:
    assert of_bytes(b"\x1b[31mred\x1b[0m \x1b$ x") == Encoding("UTF-8")


@given(st.binary(max_size=3000) | st.text(max_size=300).map(str.encode), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_decoded_or_refused_alike_from_memory_and_from_a_file(raw: bytes, html: bool) -> None:
    try:
        encoding = of_bytes(raw, html=html)
    except UnknownEncoding:
        with pytest.raises(UnknownEncoding):
            of_file(io.BytesIO(raw), html=html)
        return
    file = io.BytesIO(raw)
    assert of_file(file, html=html) == encoding
    whole = encoding.decode(raw)
    cuts = [0, len(raw) // 3, len(raw) // 2, len(raw)]
    assert "".join(encoding.texts(raw[start:end] for start, end in pairwise(cuts) if start < end)) == whole


@pytest.mark.parametrize("name", ["UTF-16LE", "UTF-16BE"])
def test_a_script_whose_bytes_are_all_ascii_is_told_from_utf8(name: str) -> None:
    encoding = of_bytes(("ภาษาไทย" * 6).encode(name))
    assert encoding.name == name


@example("0\x08")
@example("\x08" * 16)
@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_utf8_is_never_guessed(text: str) -> None:
    raw = text.replace("\0", "").replace("\x1b", "").replace("\ufeff", "").encode("utf-8", "ignore")
    encoding = of_bytes(raw)
    assert (encoding, encoding.decode(raw).encode()) == (Encoding("UTF-8"), raw)
