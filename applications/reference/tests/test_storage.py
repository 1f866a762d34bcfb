import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_server.errors import StorageError
from archon_server.passages import Passage
from archon_server.storage import Counts, Document, migrations
from archon_server.storage.sqlite import SqliteStorage
from archon_server.storage.text import MAX_TERMS, match_expression


def document(source_id: str, created_at: str = "2025-01-01T00:00:00+00:00", **changes: object) -> Document:
    fields = {
        "filename": f"{source_id}.md",
        "file_type": "text/markdown",
        "knowledge_type": "technical",
        "tags": ("a",),
    }
    return Document(source_id, **fields | {"size": 10, "created_at": created_at} | changes)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    storage = SqliteStorage(tmp_path / "archon.db")
    yield storage
    storage.close()


def test_a_document_is_found_by_words_in_any_form_best_first(storage: SqliteStorage) -> None:
    storage.add_document(
        document("d"), [Passage("The cat sleeps."), Passage("Otters are sleeping on their backs."), Passage("Nothing.")]
    )
    found = storage.search("How does an otter sleep?", 10)
    assert [passage.text for passage in found] == ["Otters are sleeping on their backs.", "The cat sleeps."]
    assert 1 > found[0].similarity > found[1].similarity > 0
    assert found[0].document.chunk_count == 3
    assert found[0].document.word_count == 10


def test_words_of_headings_are_found_and_weigh_more(storage: SqliteStorage) -> None:
    storage.add_document(
        document("d"), [Passage("a timeout of some sort", ()), Passage("It is 30 seconds long.", ("Timeout",))]
    )
    assert [passage.headings for passage in storage.search("timeout", 10)] == [("Timeout",), ()]


def test_accents_and_case_do_not_matter(storage: SqliteStorage) -> None:
    storage.add_document(document("d"), [Passage("Ein Café in München")])
    assert len(storage.search("CAFE MUNCHEN", 10)) == 1


def test_limit_and_source_bound_the_result(storage: SqliteStorage) -> None:
    for name in ("one", "two"):
        storage.add_document(document(name), [Passage(f"otter {n}") for n in range(5)])
    assert len(storage.search("otter", 3)) == 3
    assert {passage.document.source_id for passage in storage.search("otter", 10, "two")} == {"two"}
    assert storage.search("otter", 10, "three") == []


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text(st.sampled_from('"*():^-+{}\\ANDORNEAR \0\ud800,')))
def test_every_text_makes_a_valid_query(text: str) -> None:
    expression = match_expression(text)
    if expression is not None:
        ENGINE.execute("SELECT rowid FROM words WHERE words MATCH ?", (expression,)).fetchall()


ENGINE = sqlite3.connect(":memory:", check_same_thread=False)
ENGINE.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize='porter ascii')")


@pytest.mark.parametrize("text", ["", "???", '" OR "', "AND OR NOT NEAR(", "a" * 2000, "w " * 5000, "\ud800 otter"])
def test_odd_questions_are_answered(storage: SqliteStorage, text: str) -> None:
    storage.add_document(document("d"), [Passage("An otter and a near one")])
    assert isinstance(storage.search(text, 5), list)


def test_the_number_of_terms_is_limited() -> None:
    assert match_expression(" ".join(map(str, range(1000)))).count(" OR ") == MAX_TERMS - 1


def test_a_document_whose_passages_fail_is_not_stored(storage: SqliteStorage) -> None:
    def failing() -> Iterator[Passage]:
        for n in range(500):
            yield Passage(f"otter {n}")
        raise ValueError("the file is damaged")

    with pytest.raises(ValueError, match="damaged"):
        storage.add_document(document("d"), failing())
    assert storage.counts() == Counts(0, 0)
    assert storage.search("otter", 5) == []
    storage.add_document(document("d"), [Passage("otter")])
    assert storage.counts() == Counts(1, 1)


def test_a_deleted_document_is_removed_from_the_index(storage: SqliteStorage, tmp_path: Path) -> None:
    storage.add_document(document("one"), [Passage("otter")])
    storage.add_document(document("two"), [Passage("otter")])
    assert storage.delete_document("one") is True
    assert storage.delete_document("one") is False
    assert [passage.document.source_id for passage in storage.search("otter", 5)] == ["two"]
    with sqlite3.connect(tmp_path / "archon.db") as connection:
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (1,)
        connection.execute("INSERT INTO chunk_words(chunk_words, rank) VALUES ('integrity-check', 1)")


def test_documents_are_listed_newest_first_filtered_and_paged(storage: SqliteStorage) -> None:
    for day in range(1, 6):
        kind = "business" if day == 3 else "technical"
        storage.add_document(document(f"d{day}", f"2025-01-0{day}T00:00:00+00:00", knowledge_type=kind), [Passage("x")])

    def ids(**query: object) -> tuple[list[str], int]:
        found, total = storage.documents(**query)
        return [one.source_id for one in found], total

    assert ids() == (["d5", "d4", "d3", "d2", "d1"], 5)
    assert ids(offset=1, limit=2) == (["d4", "d3"], 5)
    assert ids(knowledge_type="business") == (["d3"], 1)
    assert ids(search="D4.") == (["d4"], 1)
    assert ids(search="%") == ([], 0)


def test_two_servers_share_a_database(tmp_path: Path) -> None:
    """Both create the file, then write, at the same time. Every step of the schema and every document exists once."""
    problems: list[BaseException] = []
    start = threading.Barrier(4)

    def server(name: int) -> None:
        try:
            start.wait()
            storage = SqliteStorage(tmp_path / "archon.db")
            for n in range(10):
                storage.add_document(document(f"{name}-{n}"), [Passage("otter")] * 20)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=server, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert SqliteStorage(tmp_path / "archon.db").counts() == Counts(40, 800)


def test_a_server_waits_while_another_one_creates_the_file(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "archon.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.execute, ["COMMIT"])
    timer.start()
    storage = SqliteStorage(tmp_path / "archon.db")
    assert not timer.is_alive()
    storage.add_document(document("d"), [Passage("otter")])
    assert storage.counts() == Counts(1, 1)


def test_a_reader_does_not_wait_for_a_writer(storage: SqliteStorage) -> None:
    storage.add_document(document("old"), [Passage("otter")])

    def passages() -> Iterator[Passage]:
        yield Passage("otter")
        assert [passage.document.source_id for passage in storage.search("otter", 5)] == ["old"]
        yield Passage("otter")

    storage.add_document(document("new"), passages())
    assert len(storage.search("otter", 5)) == 3


def test_a_setting_is_seen_by_the_other_servers_and_can_be_deleted(storage: SqliteStorage, tmp_path: Path) -> None:
    other = SqliteStorage(tmp_path / "archon.db")
    assert other.setting("model") is None
    for value in ("one", "two"):
        storage.save_setting("model", value)
        assert other.setting("model") == value
    other.save_setting("model", None)
    assert storage.setting("model") is None


def test_the_database_of_a_newer_release_can_be_used(tmp_path: Path) -> None:
    """After a rollback, what a later release added (it may only add) does not disturb this one."""
    path = tmp_path / "archon.db"
    SqliteStorage(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE documents ADD COLUMN summary TEXT DEFAULT ''")
        connection.execute("CREATE TABLE vectors (id INTEGER)")
        connection.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 3}")
    storage = SqliteStorage(path)
    storage.add_document(document("d"), [Passage("otter")])
    assert len(storage.search("otter", 5)) == 1
    assert storage.delete_document("d")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations.STEPS) + 3,)


def test_a_migration_that_fails_halfway_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "archon.db") as connection:
        connection.execute("CREATE TABLE operations (in_the_way)")
    with pytest.raises(StorageError, match="operations"):
        SqliteStorage(tmp_path / "archon.db")
    with sqlite3.connect(tmp_path / "archon.db") as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["operations"]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"missing/archon\.db"):
        SqliteStorage(tmp_path / "missing" / "archon.db")
    (tmp_path / "text").write_text("this is no database, though it is long enough to be looked at" * 20)
    with pytest.raises(StorageError, match="not a database"):
        SqliteStorage(tmp_path / "text")
