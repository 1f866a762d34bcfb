import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_server.passages import CODE_SIZE, PASSAGE_SIZE, Passage, split_into_passages


def passages(text: str, markdown: bool = True) -> list[Passage]:
    return list(split_into_passages(io.StringIO(text), markdown=markdown))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_a_passage_carries_the_headings_above_it() -> None:
    text = "# Guide\n\nIntro.\n\n## Install\n\nRun it.\n\n### Linux\n\nApt.\n\n## Use\n\nSearch."
    assert [(passage.headings, passage.text) for passage in passages(text)] == [
        (("Guide",), "# Guide\n\nIntro."),
        (("Guide", "Install"), "## Install\n\nRun it."),
        (("Guide", "Install", "Linux"), "### Linux\n\nApt."),
        (("Guide", "Use"), "## Use\n\nSearch."),
    ]


def test_the_words_of_a_heading_without_text_stay_with_what_follows() -> None:
    assert [passage.text for passage in passages("# Guide\n\n## Install\n\nRun it.")] == [
        "# Guide\n\n## Install\n\nRun it."
    ]


def test_a_heading_is_never_cut_off_from_a_paragraph_that_fills_a_passage() -> None:
    [passage] = passages("# Guide\n\n" + "word " * (PASSAGE_SIZE // 5 - 1))
    assert passage.text.startswith("# Guide\n\nword")


def test_paragraphs_are_packed_up_to_the_size_of_a_passage_and_not_beyond() -> None:
    found = passages("\n\n".join(f"{n} " + "word " * 50 for n in range(20)))
    assert 5 < len(found) < 8
    assert all(len(passage.text) <= PASSAGE_SIZE for passage in found)


def test_a_long_paragraph_is_cut_after_sentences() -> None:
    found = passages("This sentence has exactly eight words in it. " * 60)
    assert len(found) > 2
    assert all(passage.text.rstrip().endswith("it.") for passage in found)


def test_a_code_block_stays_whole_and_what_looks_like_a_heading_in_it_is_code() -> None:
    code = "```sh\n" + "# not a heading\n" * 80 + "\n\nlast\n```"
    [before, block] = passages("Intro. " * 50 + "\n\n" + code)
    assert (block.text, block.has_code, before.has_code) == (code, True, False)


def test_a_code_block_that_is_too_long_is_cut_between_lines_and_fenced_again() -> None:
    found = passages("~~~python\n" + "".join(f"line_{n} = {n}\n" for n in range(400)) + "~~~")
    assert len(found) > 2
    assert all(passage.text.startswith("~~~python\n") and passage.text.endswith("\n~~~") for passage in found)
    lines = [line for passage in found for line in passage.text.splitlines() if line.startswith("line_")]
    assert lines == [f"line_{n} = {n}" for n in range(400)]


def test_without_markdown_a_comment_is_not_a_heading() -> None:
    [passage] = passages("# set up\n\nx = 1\n", markdown=False)
    assert (passage.text, passage.headings) == ("# set up\n\nx = 1", ())


def test_blank_text_has_no_passages() -> None:
    assert passages(" \n\t\n\r\n") == []


LINES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="`~"), max_size=300),
        st.sampled_from(["", "# Title", "### Deep", "word " * 300, "x" * 2500, "- item", "    indented"]),
    ),
    max_size=30,
)


@given(LINES, st.booleans())
def test_no_word_is_lost_or_moved_and_no_passage_is_blank_or_too_long(lines: list[str], markdown: bool) -> None:
    text = "\n".join(lines)
    found = passages(text, markdown)
    # A word longer than a passage is split, so the texts are compared without spaces.
    assert "".join(words(" ".join(passage.text for passage in found))) == "".join(words(text))
    assert all(passage.text.strip() for passage in found)
    assert all(len(passage.text) <= CODE_SIZE + 100 for passage in found)


@given(st.text(st.sampled_from("`~# \nab"), max_size=500), st.booleans())
def test_fences_and_headings_in_any_disorder_keep_every_letter(text: str, markdown: bool) -> None:
    found = "".join(passage.text for passage in passages(text, markdown))
    assert re.findall("[ab]", found) == re.findall("[ab]", text)


def test_memory_does_not_grow_with_the_text() -> None:
    """Before each passage, no more than the text of a few passages is read from the source."""
    taken = 0

    def endless() -> object:
        nonlocal taken
        for line in ["one line of an endless text\n"] * 200_000:
            taken += len(line)
            yield line

    given_back = 0
    for passage in split_into_passages(endless(), markdown=True):
        given_back += len(passage.text)
        assert taken - given_back < 10 * PASSAGE_SIZE


@pytest.mark.parametrize(
    "line", ["# " + "word " * 600 + "TAIL\n", "### " + "x" * 3000 + "TAIL\n", "```" + "x" * 3000 + "TAIL\n"]
)
def test_a_long_line_of_markdown_loses_nothing(line: str) -> None:
    passages = [passage.text for passage in split_into_passages([line, "\n", "after\n"], markdown=True)]
    whole = "".join("".join(passages).split())
    for word in line.split():
        assert word in whole or len(word) > 1000
    assert whole.count("x") == line.count("x")
    assert whole.count("word") == line.count("word")
    assert whole.count("TAIL") == 1
