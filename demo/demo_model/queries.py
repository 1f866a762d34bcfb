"""Generates questions from headings and passages, with some words replaced by synonyms and other word forms."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

_FUNCTION_WORDS = """
a about after all also an and any are as at be because been before being between both but by can cannot could
did do does done each either else etc for from had has have how however i if in into is it its itself just like
many may me might more most much must my no nor not of off on once one only or other our out over own same shall
she should since so some such than that the their them then there these they this those through thus to too two
under until up upon us use used using very via was we were what when where whether which while who why will with
within without would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Stop words: they say nothing about the subject of a passage."""

TEMPLATES = (
    "{}", "{}", "what is {}", "what are {}", "what does {} do", "how do i {}", "how can i {}", "how does {} work",
    "why does {}", "why is {}", "when is {}", "where is {}", "which {}", "is it possible to {}", "can i {}",
    "should i {}", "what happens when {}", "is there a way to {}", "how to {}", "does {}",
)  # fmt: skip
CONNECTIVES = ("the", "a", "of", "in", "to", "for", "with", "is", "and", "from", "on", "my", "when")
SUFFIXES = (
    "ization", "isation", "ations", "ation", "itions", "ition", "ments", "ment", "ings", "ing", "ions", "ion", "ness",
    "able", "ible", "ies", "ers", "er", "ors", "or", "ed", "es", "ly", "al", "e", "s", "y",
)  # fmt: skip
SYNONYM_SHARE = 0.1
WORD_FORM_SHARE = 0.25
# Share of unrelated words: the questions that people ask contain some too.
NOISE_SHARE = 0.2
CONSECUTIVE_SHARE = 0.5
"""Of the questions from a passage, the share whose words follow each other in the passage."""

CONNECTIVE_SHARE = 0.4
"""How often a connective is inserted between two words of a question from a passage."""


def content_words(text: str) -> list[str]:
    """The words in order, in lower case, without function words and numbers."""
    return [word for word in re.findall(r"[a-z][a-z0-9]+", text.lower()) if word not in FUNCTION_WORDS]


def stem(word: str) -> str:
    """The word without its suffix; words that would keep fewer than four letters stay whole."""
    suffix = next((suffix for suffix in SUFFIXES if word.endswith(suffix)), "")
    short = word.removesuffix(suffix)
    return short if len(short) >= 4 else word


def other_forms(words: Iterable[str]) -> dict[str, list[str]]:
    """Maps each word to the others with the same stem: "replicate" to "replicated", "replication", …"""
    families = defaultdict(set)
    for word in words:
        families[stem(word)].add(word)
    return {word: sorted(family - {word}) for family in families.values() if len(family) > 1 for word in family}


class QueryMaker:
    """Generates questions.

    Args:
        forms: maps a word to its other forms.
        synonyms: maps a word to its synonyms.
        noise: unrelated words to insert.
        noise_share: how often one is inserted after a word, 0 to 1.
    """

    def __init__(
        self,
        forms: Mapping[str, Sequence[str]],
        synonyms: Mapping[str, Sequence[str]],
        noise: Sequence[str],
        noise_share: float = NOISE_SHARE,
    ) -> None:
        self.forms = forms
        self.synonyms = synonyms
        self.noise = noise
        self.noise_share = noise_share

    def from_heading(self, heading: str, rng: random.Random) -> str | None:
        """A question from a heading; None if the heading has no content words."""
        name = re.sub(r"\(.*|^(?:class|exception|async|static) ", "", heading).strip()
        words = content_words(name)
        if not words:
            return None
        if heading.endswith("?"):
            return heading
        return rng.choice(TEMPLATES).format(name)

    def from_passage(self, text: str, rng: random.Random) -> str | None:
        """Two to six words of the passage, consecutive or not, in a template; None if it has too few words."""
        words = content_words(text)
        if len(words) < 4:
            return None
        size = rng.randint(2, min(6, len(words)))
        if rng.random() < CONSECUTIVE_SHARE:
            start = rng.randrange(len(words) - size + 1)
            chosen = words[start : start + size]
        else:
            chosen = rng.sample(words, size)
        query: list[str] = []
        for word in chosen:
            if query and rng.random() < CONNECTIVE_SHARE:
                query.append(rng.choice(CONNECTIVES))
            query.append(self.replacement(word, rng))
            if rng.random() < self.noise_share:
                query.append(rng.choice(self.noise))
        return rng.choice(TEMPLATES).format(" ".join(query))

    def from_sentence(self, text: str, rng: random.Random) -> str | None:
        """The sentence with some words replaced; None if it has too few content words."""
        if len(content_words(text)) < 4:
            return None
        return re.sub(r"[a-z]{3,}", lambda match: self._replace_content_word(match[0], rng), text).rstrip(".:")

    def _replace_content_word(self, word: str, rng: random.Random) -> str:
        return word if word in FUNCTION_WORDS else self.replacement(word, rng)

    def replacement(self, word: str, rng: random.Random) -> str:
        """A synonym or another form of the word, or the word itself."""
        draw = rng.random()
        if draw < SYNONYM_SHARE and word in self.synonyms:
            return rng.choice(self.synonyms[word])
        if draw < SYNONYM_SHARE + WORD_FORM_SHARE and word in self.forms:
            return rng.choice(self.forms[word])
        return word
