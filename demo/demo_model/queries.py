"""Questions made from passages: the words of a heading, or words of the passage itself, worded a little differently."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

# Words that say nothing about what a passage is about.
_WORDS = """
a about after all also an and any are as at be because been before being between both but by can cannot could
did do does done each either else etc for from had has have how however i if in into is it its itself just like
many may me might more most much must my no nor not of off on once one only or other our out over own same shall
she should since so some such than that the their them then there these they this those through thus to too two
under until up upon us use used using very via was we were what when where whether which while who why will with
within without would you your
"""
FUNCTION_WORDS = frozenset(_WORDS.split())
FRAMES = (
    "{}", "{}", "what is {}", "what are {}", "what does {} do", "how do i {}", "how can i {}", "how does {} work",
    "why does {}", "why is {}", "when is {}", "where is {}", "which {}", "is it possible to {}", "can i {}",
    "should i {}", "what happens when {}", "is there a way to {}", "how to {}", "does {}",
)  # fmt: skip
JOINTS = ("the", "a", "of", "in", "to", "for", "with", "is", "and", "from", "on", "my", "when")
ENDINGS = (
    "ization", "isation", "ations", "ation", "itions", "ition", "ments", "ment", "ings", "ing", "ions", "ion", "ness",
    "able", "ible", "ies", "ers", "er", "ors", "or", "ed", "es", "ly", "al", "e", "s", "y",
)  # fmt: skip
SYNONYM_SHARE = 0.1
FORM_SHARE = 0.25
# Words that have nothing to do with the passage: people's questions hold them, too.
STRAY_SHARE = 0.2


def content_words(text: str) -> list[str]:
    """The words in order, lower case, without function words and numbers."""
    return [word for word in re.findall(r"[a-z][a-z0-9]+", text.lower()) if word not in FUNCTION_WORDS]


def stem(word: str) -> str:
    """What is left without the ending; endings that would leave fewer than four letters stay."""
    ending = next((ending for ending in ENDINGS if word.endswith(ending)), "")
    short = word.removesuffix(ending)
    return short if len(short) >= 4 else word


def other_forms(words: Iterable[str]) -> dict[str, list[str]]:
    """For each word the others with its stem: "replicate" has "replicated", "replication", …"""
    families = defaultdict(set)
    for word in words:
        families[stem(word)].add(word)
    return {word: sorted(family - {word}) for family in families.values() if len(family) > 1 for word in family}


class QueryMaker:
    """Makes questions; `forms` and `synonyms` map a word to the words that may stand for it, `stray` is any words."""

    def __init__(
        self,
        forms: Mapping[str, Sequence[str]],
        synonyms: Mapping[str, Sequence[str]],
        stray: Sequence[str],
        stray_share: float = STRAY_SHARE,
    ) -> None:
        self.forms = forms
        self.synonyms = synonyms
        self.stray = stray
        self.stray_share = stray_share

    def from_heading(self, heading: str, rng: random.Random) -> str | None:
        """The heading as a question, or None for one that names nothing."""
        name = re.sub(r"\(.*|^(?:class|exception|async|static) ", "", heading).strip()
        words = content_words(name)
        if not words:
            return None
        if heading.endswith("?"):
            return heading
        return rng.choice(FRAMES).format(name)

    def from_passage(self, text: str, rng: random.Random) -> str | None:
        """Two to six words of the passage, near one another or not, in a question's frame; None if it has too few."""
        words = content_words(text)
        if len(words) < 4:
            return None
        size = rng.randint(2, min(6, len(words)))
        if rng.random() < 0.5:
            start = rng.randrange(len(words) - size + 1)
            chosen = words[start : start + size]
        else:
            chosen = rng.sample(words, size)
        query: list[str] = []
        for word in chosen:
            if query and rng.random() < 0.4:
                query.append(rng.choice(JOINTS))
            query.append(self.reworded(word, rng))
            if rng.random() < self.stray_share:
                query.append(rng.choice(self.stray))
        return rng.choice(FRAMES).format(" ".join(query))

    def from_sentence(self, text: str, rng: random.Random) -> str | None:
        """The sentence with some words reworded; None if it says too little."""
        if len(content_words(text)) < 4:
            return None
        return re.sub(r"[a-z]{3,}", lambda found: self._unless_function_word(found[0], rng), text).rstrip(".:")

    def _unless_function_word(self, word: str, rng: random.Random) -> str:
        return word if word in FUNCTION_WORDS else self.reworded(word, rng)

    def reworded(self, word: str, rng: random.Random) -> str:
        """The word, or one that may stand for it."""
        draw = rng.random()
        if draw < SYNONYM_SHARE and word in self.synonyms:
            return rng.choice(self.synonyms[word])
        if draw < SYNONYM_SHARE + FORM_SHARE and word in self.forms:
            return rng.choice(self.forms[word])
        return word
