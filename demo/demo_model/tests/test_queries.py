import random

from demo_model.queries import QueryMaker, content_words, other_forms, stem

PASSAGE = "The standby server replays the log of the primary server until it is promoted."


def test_function_words_and_numbers_are_no_content() -> None:
    assert content_words("How do I start the 3 Servers of Example?") == ["start", "servers", "example"]


def test_words_of_one_family_share_a_stem_and_short_words_keep_theirs() -> None:
    assert {stem(word) for word in ("connect", "connected", "connection", "connections")} == {"connect"}
    assert stem("bees") == "bees"


def test_other_forms_leaves_out_the_word_itself_and_words_without_family() -> None:
    assert other_forms(["locks", "locking", "table"]) == {"locks": ["locking"], "locking": ["locks"]}


def test_a_question_from_a_passage_uses_its_words_or_what_may_stand_for_them() -> None:
    maker = QueryMaker({"standby": ["standbys"]}, {"primary": ["main"]}, ["stray"])
    words = {*content_words(PASSAGE), "standbys", "main", "stray"}
    known_frames = {"work", "happens", "possible", "way"}
    for seed in range(200):
        question = maker.from_passage(PASSAGE, random.Random(seed))
        assert question is not None
        assert set(content_words(question)) <= words | known_frames


def test_a_passage_of_few_words_makes_no_question() -> None:
    assert QueryMaker({}, {}, ["stray"]).from_passage("See the log.", random.Random(0)) is None


def test_a_heading_that_is_a_question_stays_as_it_is() -> None:
    assert QueryMaker({}, {}, ["stray"]).from_heading("Why is it slow?", random.Random(0)) == "Why is it slow?"


def test_a_heading_gives_its_name_without_arguments_and_keywords() -> None:
    question = QueryMaker({}, {}, ["stray"]).from_heading("class TarFile(name, mode)", random.Random(0))
    assert question is not None
    assert "TarFile" in question
    assert "class" not in question
    assert "mode" not in question


def test_a_heading_without_content_makes_no_question() -> None:
    assert QueryMaker({}, {}, ["stray"]).from_heading("What about it", random.Random(0)) is None


def test_a_sentence_keeps_its_function_words_and_loses_its_end() -> None:
    maker = QueryMaker({word: [f"{word}s"] for word in ("rows", "lock", "writer", "table")}, {}, ["stray"])
    sentence = "while the writer has a lock on the table rows wait."
    asked = {maker.from_sentence(sentence, random.Random(seed)) for seed in range(20)}
    assert len(asked) > 3
    assert all(question and question.startswith("while the writer") and question.endswith("wait") for question in asked)
    assert maker.from_sentence("It is so.", random.Random(0)) is None
