import io
import re

from hypothesis import given
from hypothesis import strategies as st

from archon_server.chunking import CODE_SIZE, PASSAGE_SIZE, Chunk, chunk_text


def chunks(text: str, markdown: bool = True) -> list[Chunk]:
    return list(chunk_text(io.StringIO(text), markdown=markdown))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_a_passage_carries_the_headings_above_it() -> None:
    text = "# Guide\n\nIntro.\n\n## Install\n\nRun it.\n\n### Linux\n\nApt.\n\n## Use\n\nSearch."
    assert [(chunk.headings, chunk.text) for chunk in chunks(text)] == [
        (("Guide",), "# Guide\n\nIntro."),
        (("Guide", "Install"), "## Install\n\nRun it."),
        (("Guide", "Install", "Linux"), "### Linux\n\nApt."),
        (("Guide", "Use"), "## Use\n\nSearch."),
    ]


def test_the_words_of_a_heading_without_text_stay_with_what_follows() -> None:
    assert [chunk.text for chunk in chunks("# Guide\n\n## Install\n\nRun it.")] == ["# Guide\n\n## Install\n\nRun it."]


def test_a_heading_is_never_cut_off_from_a_paragraph_that_fills_a_passage() -> None:
    [chunk] = chunks("# Guide\n\n" + "word " * (PASSAGE_SIZE // 5 - 1))
    assert chunk.text.startswith("# Guide\n\nword")


def test_paragraphs_are_packed_up_to_the_size_of_a_passage_and_not_beyond() -> None:
    found = chunks("\n\n".join(f"{n} " + "word " * 50 for n in range(20)))
    assert 5 < len(found) < 8
    assert all(len(chunk.text) <= PASSAGE_SIZE for chunk in found)


def test_a_long_paragraph_is_cut_after_sentences() -> None:
    found = chunks("This sentence has exactly eight words in it. " * 60)
    assert len(found) > 2
    assert all(chunk.text.rstrip().endswith("it.") for chunk in found)


def test_a_code_block_stays_whole_and_what_looks_like_a_heading_in_it_is_code() -> None:
    code = "```sh\n" + "# not a heading\n" * 80 + "\n\nlast\n```"
    [before, block] = chunks("Intro. " * 50 + "\n\n" + code)
    assert (block.text, block.has_code, before.has_code) == (code, True, False)


def test_a_code_block_that_is_too_long_is_cut_between_lines_and_fenced_again() -> None:
    found = chunks("~~~python\n" + "".join(f"line_{n} = {n}\n" for n in range(400)) + "~~~")
    assert len(found) > 2
    assert all(chunk.text.startswith("~~~python\n") and chunk.text.endswith("\n~~~") for chunk in found)
    lines = [line for chunk in found for line in chunk.text.splitlines() if line.startswith("line_")]
    assert lines == [f"line_{n} = {n}" for n in range(400)]


def test_without_markdown_a_comment_is_not_a_heading() -> None:
    [chunk] = chunks("# set up\n\nx = 1\n", markdown=False)
    assert (chunk.text, chunk.headings) == ("# set up\n\nx = 1", ())


def test_blank_text_has_no_passages() -> None:
    assert chunks(" \n\t\n\r\n") == []


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
    found = chunks(text, markdown)
    # A word longer than a passage is split, so the texts are compared without spaces.
    assert "".join(words(" ".join(chunk.text for chunk in found))) == "".join(words(text))
    assert all(chunk.text.strip() for chunk in found)
    assert all(len(chunk.text) <= CODE_SIZE + 100 for chunk in found)


@given(st.text(st.sampled_from("`~# \nab"), max_size=500), st.booleans())
def test_fences_and_headings_in_any_disorder_keep_every_letter(text: str, markdown: bool) -> None:
    found = "".join(chunk.text for chunk in chunks(text, markdown))
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
    for chunk in chunk_text(endless(), markdown=True):
        given_back += len(chunk.text)
        assert taken - given_back < 10 * PASSAGE_SIZE
