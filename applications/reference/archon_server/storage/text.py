"""How text is compared: one normalisation for what is stored and what is asked. Pure.

SQLite's tokenizer would decide differently: it knows no compatibility forms, cuts Indic words at their vowel signs, and
takes a Chinese sentence for one word. So words are found here, and FTS5 only splits at blanks and stems English.

The search index holds what `index_text` returned when a passage was stored. A change of this module needs a step in
`migrations` that makes all passages wait for the index again.
"""

# ruff: noqa: RUF001, RUF003 (letters that look like others are the subject)

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit

MAX_TERMS = 64


class _Table(dict[int, str | int]):
    """For str.translate: the replacement of a character is found when it first occurs."""

    def __missing__(self, code: int) -> str | int:
        self[code] = replacement = self._replacement(code)
        return replacement

    def _replacement(self, code: int) -> str | int:
        raise NotImplementedError


class _Visible(_Table):
    """Removes what nobody sees or types: soft hyphens, zero widths, direction marks, variation selectors, fillers.

    Arabic vowel signs that stand alone go too, because their compatibility form would put a blank into the word.
    """

    _INVISIBLE = re.compile(
        "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
    )
    _LONE_SIGNS = re.compile("[\ufe70-\ufe7f\ufc5e-\ufc63]")

    def _replacement(self, code: int) -> str | int:
        character = chr(code)
        if (
            unicodedata.category(character) == "Cf"
            or self._INVISIBLE.match(character)
            or self._LONE_SIGNS.match(character)
        ):
            return ""
        # Else "Name™" would become one word with "TM".
        return " " if character in "™℠" else code


class _OneLetter(_Table):
    """Digits of every script become ASCII digits. Letters that keyboards or languages exchange become one letter."""

    # Turkish writes the capital I small as ı, everybody else as i. Persian and Arabic keyboards have letters of their
    # own for yeh and kaf, and many write teh marbuta as heh; the last of that line only stretches a word. The rest is
    # typed as an apostrophe.
    _SAME = (
        {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe"}
        | {"ی": "ي", "ى": "ي", "ک": "ك", "ة": "ه", "ہ": "ه", "ـ": ""}
        | {"ٱ": "ا", "ە": "ه"}
        # Yiddish types two letters where Unicode has one, too, and Malayalam had no letters of their own for these.
        | {"װ": "וו", "ױ": "וי", "ײ": "יי"}
        | {"ൺ": "ണ്", "ൻ": "ന്", "ർ": "ര്", "ൽ": "ല്", "ൾ": "ള്", "ൿ": "ക്"}
        | dict.fromkeys("ʹʻʼʽʾʿ", "'")
    )
    _OPTIONAL = re.compile(
        # Arabic, Hebrew and Syriac vowel signs and points.
        "[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08d3-\u08e1\u08e3-\u08ff"
        "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0711\u0730-\u074a]"
    )

    def _replacement(self, code: int) -> str | int:
        character = chr(code)
        if self._OPTIONAL.match(character):
            return ""
        digit = unicodedata.decimal(character, None)
        return self._SAME.get(character, code) if digit is None else str(digit)


class _WordCharacters(_Table):
    """Everything but letters, digits and the marks on them becomes a blank. ASCII stays: FTS5 splits it.

    Each emoji is a word, also those that are joined to one picture.
    """

    _EMOJI = re.compile("[\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
    _SKIN_TONES = range(0x1F3FB, 0x1F400)

    def _replacement(self, code: int) -> str | int:
        category = unicodedata.category(chr(code))
        if self._EMOJI.match(chr(code)):
            return " " if code in self._SKIN_TONES else f" {chr(code)} "
        # Private characters are what a font calls letters.
        return code if code < 128 or category[0] in "LNM" or category == "Co" else " "


_VISIBLE, _ONE_LETTER, _WORD_CHARACTERS = _Visible(), _OneLetter(), _WordCharacters()

_ACCENTS = re.compile(
    # These make other letters: й, ў, ї.
    "([иу]\u0306|і\u0308)|[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)

_THAI_ORDER = re.compile("\u0e4d([\u0e48-\u0e4b])\u0e32")
"""A tone mark that was typed behind the ring of sara am, where it looks the same."""
_THAI_DOUBLE_E = "\u0e40\u0e40"
"""Looks like sara ae, which is one letter."""

# Scripts that put no blanks between words, and Korean, which writes particles onto its words.
_IDEOGRAPHIC = (
    # Han, kana, Bopomofo, Tangut, Khitan, Nushu, Hangul, Yi
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001aff0-\U0001b16f"
    "\U00016fe0-\U00018d7f\U0001b170-\U0001b2ff\U00020000-\U000323af\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb\ua000-\ua48c"
)
_ALPHABETIC = (
    # Thai, Lao, Tibetan, Myanmar, Khmer, Tai, Balinese, Javanese, Cham
    "\u0e01-\u0e4e\u0e80-\u0eff\u0f00-\u0fbc\u1000-\u109f\u1780-\u17d3\u17d7\u17dc\u17dd\u1950-\u19df\u1a20-\u1aad"
    "\u1b00-\u1b4c\ua980-\ua9c0\ua9e0-\ua9fe\uaa00-\uaa4d\uaa60-\uaadf"
)
_RUN = re.compile(f"([{_IDEOGRAPHIC}]+)|([{_ALPHABETIC}]+)")
_IDEOGRAPHIC_WINDOW, _ALPHABETIC_WINDOW = 2, 4
"""Characters of a run that make a term of a query: about a word of Chinese, about a syllable of Thai."""

_PIECE = re.compile("[0-9a-z_\x80-\U0010ffff]+")


def fold(text: str) -> str:
    """The form in which texts are equal that differ in Unicode form, case, accents or invisible characters only."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text.translate(_VISIBLE)).casefold()
    text = unicodedata.normalize("NFKD", text).translate(_ONE_LETTER)
    text = _THAI_ORDER.sub("\\1\u0e4d\u0e32", text).replace(_THAI_DOUBLE_E, "\u0e41")
    return unicodedata.normalize("NFKC", _ACCENTS.sub(r"\1", text))


def index_text(text: str) -> str:
    """The words of a text for FTS5. A run of a script without blanks becomes its pairs of characters, and its last."""
    folded = fold(text)
    return folded if folded.isascii() else _with_pairs(_words(folded))


def match_expression(query: str) -> str | None:
    """An FTS5 expression that matches any word of `query` in texts made by `index_text`, or None if it has no word.

    Each term is a quoted string, so nothing in the query can be read as FTS5 syntax (AND, NEAR, *, :, parentheses, …).
    Terms beyond MAX_TERMS are dropped; repeated ones count once.
    """
    # Lone surrogates, which JSON can carry, have no UTF-8 form and would fail at the database.
    words = _words(fold(query.encode("utf-8", "ignore").decode()))
    terms = dict.fromkeys(term for piece in _PIECE.findall(words) for term in _terms(piece))
    return " OR ".join(list(terms)[:MAX_TERMS]) or None


def readable_url(url: str) -> str:
    """The address as people write it: without percent-encoding, and with the letters of its host."""
    # An address that cannot be read stays as it is.
    with suppress(ValueError):
        if "xn--" in url and (host := urlsplit(url).hostname):
            url = url.replace(host, host.encode().decode("idna"))
    return unquote(url)


def _words(folded: str) -> str:
    return folded.translate(_WORD_CHARACTERS)


def _with_pairs(text: str) -> str:
    """The text with each run of a script without blanks replaced by its pairs."""
    return _RUN.sub(lambda run: f" {_pairs(run[0])} ", text)


def _pairs(run: str) -> str:
    return " ".join(run[start : start + 2] for start in range(len(run)))


def _terms(piece: str) -> Iterator[str]:
    """The terms of a piece of a query that has no blanks: as a whole first, so that the whole ranks above its parts."""
    runs = list(_RUN.finditer(piece))
    if not runs:
        yield f'"{piece}"'
        return
    if len(piece) <= MAX_TERMS:
        yield _phrase(piece)
    end = 0
    for run in runs:
        if word := piece[end : run.start()]:
            yield f'"{word}"'
        window = _IDEOGRAPHIC_WINDOW if run[1] else _ALPHABETIC_WINDOW
        for start in range(max(len(run[0]) - window, 0) + 1):
            yield _phrase(run[0][start : start + window])
        end = run.end()
    if word := piece[end:]:
        yield f'"{word}"'


def _phrase(piece: str) -> str:
    """A phrase that matches `piece` also where its last run goes on."""
    tokens = _with_pairs(piece).split()
    if not _RUN.fullmatch(tokens[-1]):
        return f'"{" ".join(tokens)}"'
    if len(tokens) > 1 and tokens[-2].endswith(tokens[-1]) and _RUN.fullmatch(tokens[-2]):
        return f'"{" ".join(tokens[:-1])}"'
    # A single character: it begins a pair, or it stands last.
    return f'"{" ".join(tokens)}"*'
