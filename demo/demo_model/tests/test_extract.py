from demo_model.extract import is_prose, sections


def test_paragraphs_belong_to_the_heading_above_them() -> None:
    html = "<h1>1.2 Locks<a class='headerlink'>¶</a></h1><p>One.</p><p>Two.</p><h2>Empty</h2><h2>Logs</h2><p>Three.</p>"
    assert [(section.heading, section.paragraphs) for section in sections(html)] == [
        ("Locks", ["One.", "Two."]),
        ("Logs", ["Three."]),
    ]


def test_code_and_navigation_are_skipped_with_everything_nested_in_them() -> None:
    html = "<nav><p>Menu</p><nav>Sub</nav>Rest</nav><p>Text <b>in</b><br>two lines.</p><pre>x = 1</pre><p>End.</p>"
    assert [section.paragraphs for section in sections(html)] == [["Text in two lines.", "End."]]


def test_a_new_block_ends_a_block_without_an_end_tag() -> None:
    assert sections("<p>One.<p>Two.<ul><li>Three.<li>Four.</ul>")[0].paragraphs == ["One.", "Two.", "Three.", "Four."]


def test_prose_is_long_enough_mostly_letters_and_ends_like_a_sentence() -> None:
    sentence = "The server writes what it did to a log, so that a person can read later what went wrong."
    assert is_prose(sentence)
    assert not is_prose(sentence[:-1])
    assert not is_prose("Too short.")
    assert not is_prose(" ".join([sentence] * 20))
    assert not is_prose("a[0] = b[1] + c[2]; d[3] = {4: 5, 6: 7}; e(8, 9); f(10) == 11 && g[12] != 13 || h - 14 > 15.")
