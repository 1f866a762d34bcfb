"""Words of every script, in every form that Unicode calls equal, and how they rank."""

# ruff: noqa: RUF001 (letters that look like others are what is tested)

import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_server.ingestion import index_backfill
from archon_server.passages import Passage
from archon_server.storage import Document, migrations
from archon_server.storage.sqlite import SqliteStorage
from archon_server.storage.text import fold, index_text, match_expression, readable_url
from tests.conftest import Api, eventually


def document(source_id: str = "d", **changes: object) -> Document:
    fields = {"filename": "d.md", "file_type": "text/plain", "knowledge_type": "technical", "tags": (), "size": 1}
    return Document(source_id, **fields | {"created_at": "2025-01-01T00:00:00+00:00"} | changes)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    storage = SqliteStorage(tmp_path / "archon.db")
    yield storage
    storage.close()


OTHERS = [
    Passage("An otter sleeps on its back."),
    Passage("服务器日志保存七天。"),
    Passage("ログは毎日削除されます。"),
    Passage("로그는 매일 삭제됩니다."),
    Passage("ข้อมูลถูกลบทุกวัน"),
]
"""Passages in the same scripts that no query below may rank first."""


@pytest.mark.parametrize(
    ("text", "query"),
    [
        # Scripts without blanks, and particles.
        ("数据库连接超时时间为三十秒。", "数据库"),
        ("数据库连接超时时间为三十秒。", "连接超时"),
        ("数据库连接超时时间为三十秒。", "库"),
        ("資料庫連線逾時", "逾時"),
        ("接続のタイムアウト値を設定します。", "タイムアウト"),
        ("接続のタイムアウト値を設定します。", "設定"),
        ("ﾃﾞｰﾀﾍﾞｰｽの名前", "データベース"),
        ("データベースの名前", "ﾃﾞｰﾀﾍﾞｰｽ"),
        ("Pythonで書かれたプログラム", "python"),
        ("第3章の概要", "第3章"),
        ("𠮷野家の𩸽", "𩸽"),
        ("제한시간은 삼십 초입니다.", "제한시간"),
        ("데이터베이스에서 값을 읽는다", "데이터베이스"),
        ("데이터베이스에서 값을 읽는다", "값"),
        ("เอกสารภาษาไทยไม่มีช่องว่าง", "ภาษา"),
        ("เอกสารภาษาไทยไม่มีช่องว่าง", "ไทย"),
        ("ເອກະສານພາສາລາວ", "ພາສາ"),
        ("ឯកសារភាសាខ្មែរ", "ភាសា"),
        ("မြန်မာဘာသာစကား", "ဘာသာ"),
        ("བོད་ཡིག་གི་ཡིག་ཆ།", "བོད་ཡིག"),
        # Emoji, alone, joined, and with a skin tone.
        ("👍🏽 otter", "👍"),
        ("👍 otter", "👍🏿"),
        ("x 👩\u200d💻 y", "👩\u200d💻"),
        ("❤\ufe0f kelp", "❤"),
        ("🇯🇵", "🇯🇵"),
        ("مدرسة كبيرة", "مدرسه"),
        ("مدرسہ", "مدرسه"),
        # Case and ligatures.
        ("Die Straße ist gesperrt, Größe unbekannt", "Straße"),
        ("Die Straße ist gesperrt, Größe unbekannt", "GRÖSSE"),
        ("Die STRASSE ist gesperrt", "straße"),
        ("The con\ufb01guration of traf\ufb01c", "configuration"),
        ("The con\ufb01guration of traf\ufb01c", "traffic"),
        ("The configuration", "con\ufb01guration"),
        ("o\ufb03ce and \ufb02ow and \ufb06op", "office"),
        ("ΟΔΥΣΣΕΥΣ", "Οδυσσεύς"),
        ("Ο Οδυσσέας μένει στην Αθήνα", "ΑΘΗΝΑ"),
        ("İstanbul'da", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("Diyarbakır", "DIYARBAKIR"),
        ("և", "եւ"),
        # Composed, decomposed, and compatibility forms.
        (unicodedata.normalize("NFD", "Das Kühlgerät"), "Kühlgerät"),
        ("Das Kühlgerät", unicodedata.normalize("NFD", "kühlgerät")),
        (unicodedata.normalize("NFD", "Русский йод"), "йод"),
        (unicodedata.normalize("NFD", "한국어"), "한국어"),
        (unicodedata.normalize("NFD", "プログラム"), "プログラム"),
        ("ＡＰＩ　ｋｅｙ", "api"),
        ("the API key", "ＡＰＩ"),
        ("𝐁𝐨𝐥𝐝 text", "bold"),
        ("10 ㎏ of flour", "kg"),
        ("Chapter Ⅷ", "viii"),
        ("\u2f08\u2f26", "人子"),
        ("ﻣﺮﺣﺒﺎ", "مرحبا"),
        ("مرحبا", "ﻣﺮﺣﺒﺎ"),
        ("\ufee3\ufe77\ufeae\ufea3\ufe92\ufe8e", "مرحبا"),
        # What nobody types.
        ("con\u00adfig\u00adu\u00adra\u00adtion", "configuration"),
        ("long\u200bword and re\u2060port", "longword"),
        ("می\u200cخواهم", "میخواهم"),
        ("مُحَمَّد", "محمد"),
        ("شَـــــمْس", "شمس"),
        ("שָׁלוֹם", "שלום"),
        ("за\u0301мок", "замок"),
        ("葛\U000e0100城", "葛城"),
        # Letters that keyboards exchange, digits, accents.
        ("أحمد", "احمد"),
        ("كتاب علي", "کتاب"),
        ("ёлка", "елка"),
        ("об'єкт", "обʼєкт"),
        ("صفحة ١٢٣", "123"),
        ("Malmø and Łódź", "lodz"),
        ("Việt Nam", "viet"),
        ("हिन्दी में लिखा", "हिन्दी"),
        ("தமிழ் மொழி", "தமிழ்"),
        ("Pulumi™ runs", "pulumi"),
        # Letters that look alike and are typed in more than one way.
        ("ٱلرَّحْمَٰنِ", "الرحمن"),
        ("خانۀ ما", "خانه"),
        ("ײַדיש", "יידיש"),
        ("അവൻ", "അവന്\u200d"),
        ("น\u0e4d\u0e49า", "น้ำ"),
        ("เ\u0e40ปล", "แปล"),
        ("Ħal Qormi", "hal"),
        ("ক্\u200dষ", "ক্ষ"),
        ("សួស្តី\u200bពិភពលោក", "ពិភពលោក"),
        ("𗀀𗀁", "𗀁"),
        ("𛅰𛅱", "𛅱"),
        ("⌚ watch", "⌚"),
        ("⏰ at seven", "⏰"),
        ("①番", "1番"),
        ("㍿アーコン", "株式会社"),
        ("ეს ᲥᲐᲠᲗᲣᲚᲘ", "ქართული"),
        ("ꮳꮃꭹ", "ᏣᎳᎩ"),
        ("ቋንቋ፡አማርኛ", "አማርኛ"),
    ],
)
def test_what_a_person_types_is_found_first(storage: SqliteStorage, text: str, query: str) -> None:
    storage.add_document(document(), [*OTHERS, Passage(text)])
    assert [passage.text for passage in storage.search(query, 10)][:1] == [text]


@pytest.mark.parametrize(
    ("text", "query"),
    [("数据库", "据数"), ("йод", "иод"), ("हद", "हिन्दी"), ("คน", "นค"), ("otter", "ott"), ("C++", "™")],
)
def test_what_only_looks_similar_is_not_found(storage: SqliteStorage, text: str, query: str) -> None:
    storage.add_document(document(), [Passage(text)])
    assert storage.search(query, 10) == []


def test_the_whole_of_a_query_ranks_above_its_parts(storage: SqliteStorage) -> None:
    parts = ["连接数据", "数据与库存", "库存连接的超时", "超时", "接超"]
    whole = "每个数据库连接超时以后都会重试，并且写入日志，日志保存七天以后会被自动删除。"
    storage.add_document(document(), [Passage(text) for text in [*parts, whole, "其他", "内容", "没有", "关系"]])
    assert storage.search("数据库连接超时", 10)[0].text == whole


def test_words_of_headings_count_in_every_script(storage: SqliteStorage) -> None:
    storage.add_document(document(), [Passage("三十秒。", ("连接超时",)), Passage("其他内容", ("日志",))])
    assert [passage.headings for passage in storage.search("超时", 10)] == [("连接超时",)]


def test_code_is_found_by_words_of_every_script(storage: SqliteStorage) -> None:
    code = "```python\n# 設定を読む\nload()\n```"
    storage.add_document(document(), [Passage("設定を読む"), Passage(code, has_code=True)])
    assert [passage.text for passage in storage.search("設定", 10, code_only=True)] == [code]


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=50), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_every_form_of_a_text_is_indexed_alike(text: str, form: str) -> None:
    # Lone Arabic signs have a compatibility form with a blank, and the marks one that joins two words.
    text = re.sub("[™℠\ufe70-\ufe7f\ufc5e-\ufc63]", "", text)
    assert index_text(unicodedata.normalize(form, text)) == index_text(text)
    assert fold(fold(text)) == fold(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(categories=["L", "Nd", "Mn"]), min_size=1, max_size=30))
def test_every_text_finds_itself(text: str) -> None:
    expression = match_expression(text)
    engine = sqlite3.connect(":memory:")
    engine.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize='porter ascii')")
    engine.execute("INSERT INTO words VALUES (?)", (index_text(f"前 {text}、後 x"),))
    found = expression and engine.execute("SELECT count(*) FROM words WHERE words MATCH ?", (expression,)).fetchone()
    engine.close()
    assert found in (None, (1,))
    assert (found is None) == (not fold(text))


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ({"filename": unicodedata.normalize("NFD", "Übersicht.pdf")}, "übersicht"),
        ({"filename": "ÜBERSICHT.pdf"}, "übersicht"),
        ({"filename": "報告書（ﾃｽﾄ）.docx"}, "テスト"),
        ({"title": "Straßennamen"}, "STRASSE"),
        ({"title": "ΑΘΗΝΑ"}, "Αθήνα"),
        ({"url": "https://ja.wikipedia.org/wiki/%E6%9D%B1%E4%BA%AC"}, "東京"),
        ({"url": "https://xn--mnchen-3ya.de/plan"}, "münchen.de"),
    ],
)
def test_the_list_is_searched_in_every_form(storage: SqliteStorage, stored: dict[str, str], typed: str) -> None:
    storage.add_document(document("this", **stored), [Passage("x")])
    storage.add_document(document("other"), [Passage("x")])
    found, total = storage.documents(search=typed)
    assert ([each.source_id for each in found], total) == (["this"], 1)


def test_the_kind_of_knowledge_and_the_address_of_a_page_are_compared_alike(storage: SqliteStorage) -> None:
    storage.add_document(document(knowledge_type="Café"), [Passage("x", url="https://xn--bcher-kva.example/%C3%A4")])
    assert storage.documents(knowledge_type=unicodedata.normalize("NFD", "café"))[1] == 1
    assert storage.documents(knowledge_type="tea")[1] == 0
    assert [storage.passages("d", domain=each)[1] for each in ("bücher.EXAMPLE", "xn--bcher-kva", "/ä", "other")] == [
        *(1, 1, 1, 0)
    ]


def test_an_address_that_is_none_stays_as_it_is() -> None:
    assert readable_url("http://[xn--broken/%E4%BA") == "http://[xn--broken/\ufffd"


class EarlierServer:
    """A server of a release without `chunk_terms`: it stores passages, and knows neither the table nor `index_text`."""

    def __init__(self, path: Path, *, new_file: bool) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA foreign_keys = ON")
        if new_file:
            for number, step in enumerate(migrations.STEPS[:3], start=1):
                self._connection.executescript(f"{step}; PRAGMA user_version = {number};")

    def store(self, source_id: str, *texts: str) -> None:
        columns = "source_id, filename, file_type, knowledge_type, tags, size, created_at, chunk_count"
        values = (source_id, "d.md", "text/plain", "technical", "[]", 1, "2025-01-01T00:00:00+00:00", len(texts))
        self._connection.execute(f"INSERT INTO documents ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        self._connection.executemany(
            "INSERT INTO chunks (source_id, position, headings, text, has_code, url) VALUES (?, ?, '[]', ?, 0, '')",
            [(source_id, position, text) for position, text in enumerate(texts)],
        )

    def delete(self, source_id: str) -> None:
        self._connection.execute("DELETE FROM documents WHERE source_id = ?", (source_id,))

    def search(self, word: str) -> list[str]:
        found = self._connection.execute(
            "SELECT text FROM chunks WHERE id IN (SELECT rowid FROM chunk_words WHERE chunk_words MATCH ?)", (word,)
        )
        return [text for (text,) in found]

    def close(self) -> None:
        self._connection.execute("INSERT INTO chunk_words (chunk_words, rank) VALUES ('integrity-check', 1)")
        self._connection.execute("INSERT INTO chunk_terms (chunk_terms, rank) VALUES ('integrity-check', 1)")
        self._connection.close()


def texts(storage: SqliteStorage, query: str) -> list[str]:
    return [passage.text for passage in storage.search(query, 10)]


def test_an_existing_database_is_searched_while_it_is_indexed_again(tmp_path: Path) -> None:
    earlier = EarlierServer(tmp_path / "archon.db", new_file=True)
    earlier.store("d", *(f"otter {n} 数据库{n}" for n in range(5)))
    storage = SqliteStorage(tmp_path / "archon.db")
    assert (len(texts(storage, "otter")), texts(storage, "数据库")) == (5, [])
    assert storage.index_waiting(2) == 2
    assert (len(texts(storage, "otter")), len(texts(storage, "数据库"))) == (5, 2)
    assert [storage.index_waiting(2), storage.index_waiting(2), storage.index_waiting(2)] == [2, 1, 0]
    assert (len(texts(storage, "otter")), len(texts(storage, "数据库"))) == (5, 5)
    storage.close()
    earlier.close()


def test_an_earlier_server_writes_to_a_database_of_this_one(tmp_path: Path) -> None:
    """During an update, and after a rollback."""
    storage = SqliteStorage(tmp_path / "archon.db")
    storage.add_document(document("new"), [Passage("an otter of this release")])
    earlier = EarlierServer(tmp_path / "archon.db", new_file=False)
    assert earlier.search("otter") == ["an otter of this release"]
    earlier.store("old", "an otter and ภาษาไทย")
    earlier.store("deleted while it waits", "an otter")
    assert len(texts(storage, "otter")) == 3
    earlier.delete("deleted while it waits")
    assert storage.index_waiting(10) == 1
    assert texts(storage, "ภาษา") == ["an otter and ภาษาไทย"]
    earlier.delete("old")
    earlier.delete("new")
    assert texts(storage, "otter") == []
    earlier.close()
    storage.close()


def test_a_running_server_indexes_what_an_earlier_one_stores(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_backfill, "CHECK_SECONDS", 0.01)
    earlier = EarlierServer(tmp_path / "archon.db", new_file=False)
    earlier.store("old", "数据库连接超时")
    eventually(lambda: api.search("连接")["results"])
    earlier.close()
