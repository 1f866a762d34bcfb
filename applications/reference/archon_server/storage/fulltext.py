"""From a question in natural language to an FTS5 query."""

import re

MAX_TERMS = 64
_WORD = re.compile(r"\w+")


def match_expression(text: str) -> str | None:
    """An FTS5 expression that matches any word of `text`, or None if it has no word.

    Each word is a quoted string, so nothing in the text can be read as FTS5 syntax (AND, NEAR, *, :, parentheses, …).
    Words beyond MAX_TERMS are dropped; repeated ones count once.
    """
    # Lone surrogates, which JSON can carry, have no UTF-8 form and would fail at the database.
    words = _WORD.findall(text.encode("utf-8", "ignore").decode())
    terms = dict.fromkeys(word.casefold() for word in words)
    return " OR ".join(f'"{term}"' for term in list(terms)[:MAX_TERMS]) or None
