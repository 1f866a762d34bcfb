import random

from demo_model.queries import QueryMaker, content_words, other_forms, stem

PASSAGE = "The standby server replays the log of the primary server until it is promoted."


def test_function_words_and_numbers_are_not_content_words() -> None:
    assert content_words("How do I start the 3 Servers of Example?") == ["start", "servers", "example"]


def test_forms_of_a_word_share_a_stem_and_short_words_stay_whole() -> None:
    assert {stem(word) for word in ("connect", "connected", "connection", "connections")} == {"connect"}
    assert stem("bees") == "bees"


def test_other_forms_excludes_the_word_itself_and_words_with_one_form() -> None:
    assert other_forms(["locks", "locking", "table"]) == {"locks": ["locking"], "locking": ["locks"]}


def test_a_question_from_a_passage_uses_its_words_synonyms_forms_and_noise() -> None:
    maker = QueryMaker({"standby": ["standbys"]}, {"primary": ["main"]}, ["noise"])
    words = {*content_words(PASSAGE), "standbys", "main", "noise"}
    template_words = {"work", "happens", "possible", "way"}
    for seed in range(200):
        question = maker.from_passage(PASSAGE, random.Random(seed))
        assert question is not None
        assert set(content_words(question)) <= words | template_words


def test_a_passage_with_too_few_words_gives_no_question() -> None:
    assert QueryMaker({}, {}, ["noise"]).from_passage("See the log.", random.Random(0)) is None


def test_a_heading_that_is_a_question_is_used_unchanged() -> None:
    assert QueryMaker({}, {}, ["noise"]).from_heading("Why is it slow?", random.Random(0)) == "Why is it slow?"


def test_a_question_from_a_heading_omits_arguments_and_keywords() -> None:
    question = QueryMaker({}, {}, ["noise"]).from_heading("class TarFile(name, mode)", random.Random(0))
    assert question is not None
    assert "TarFile" in question
    assert "class" not in question
    assert "mode" not in question


def test_a_heading_without_content_words_gives_no_question() -> None:
    assert QueryMaker({}, {}, ["noise"]).from_heading("What about it", random.Random(0)) is None


def test_a_question_from_a_sentence_keeps_function_words_and_drops_the_full_stop() -> None:
    maker = QueryMaker({word: [f"{word}s"] for word in ("rows", "lock", "writer", "table")}, {}, ["noise"])
    sentence = "while the writer has a lock on the table rows wait."
    questions = {maker.from_sentence(sentence, random.Random(seed)) for seed in range(20)}
    assert len(questions) > 3
    assert all(
        question and question.startswith("while the writer") and question.endswith("wait") for question in questions
    )
    assert maker.from_sentence("It is so.", random.Random(0)) is None
