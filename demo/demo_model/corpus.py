"""The training text: manuals and a dictionary from Debian packages, which the training downloads."""

from __future__ import annotations

import random
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .extract import is_prose, sections


@dataclass(frozen=True)
class Package:
    """A Debian package. `documents` is a glob of the files to read; `licence` is their SPDX identifier."""

    name: str
    version: str
    licence: str
    documents: str


@dataclass(frozen=True)
class Passage:
    """Consecutive paragraphs below one heading of one document, named `<package>:<path>`."""

    document: str
    heading: str
    text: str


MANUALS = (
    Package("python3.11-doc", "3.11.2-6+deb12u9", "PSF-2.0", "./usr/share/doc/python3.11/html/*.html"),
    Package("postgresql-doc-15", "15.20-0+deb12u1", "PostgreSQL", "./usr/share/doc/postgresql-doc-15/html/*.html"),
    Package("python-django-doc", "3:3.2.25-0+deb12u7", "BSD-3-Clause", "./usr/share/doc/python-django-doc/html/*.html"),
    Package("python-sqlalchemy-doc", "1.4.46+ds1-1", "MIT", "./usr/share/doc/python-sqlalchemy-doc/html/*.html"),
    Package("apache2-doc", "2.4.71-1~deb12u1", "Apache-2.0", "./usr/share/doc/apache2-doc/manual/en/*.html"),
    Package("rust-doc", "1.63.0+dfsg1-2", "MIT OR Apache-2.0", "./usr/share/doc/rust-doc/html/book/*.html"),
)
DICTIONARY = Package("wordnet-base", "1:3.0-37", "WordNet", "./usr/share/wordnet/data.*")

# The validation set, which the hyper-parameters are tuned on. Nothing is trained on it.
VALIDATION = ("*/faq/*", "*/howto/*", "*postgresql*/tutorial*")
# Change logs and indexes: their passages answer no question.
EXCLUDED = (
    "*/whatsnew/*",
    "*/releases/*",
    "*/changelog/*",
    "*/_modules/*",
    "*/release-*",
    "*/genindex*",
    "*/print.html",
)


class CorpusError(Exception):
    """A package is unavailable; the message says what to do."""


def fetch(package: Package, folder: Path) -> Path:
    """The package's file in `folder`, downloaded with apt unless it exists.

    Raises:
        CorpusError: apt does not offer this version.
    """
    pattern = f"{package.name}_{package.version.replace(':', '%3a')}_*.deb"
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob(pattern)):
        command = ["apt-get", "download", f"{package.name}={package.version}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CorpusError(
                f"apt does not offer {package.name} {package.version}: {done.stderr.strip()}\n"
                f"Run `apt-get update`, or put {pattern} from snapshot.debian.org into {folder}."
            )
    return next(folder.glob(pattern))


def fetch_all(folder: Path) -> None:
    """Downloads the packages that `folder` lacks.

    Raises:
        CorpusError: names every package that is unavailable.
    """
    problems = []
    for package in (*MANUALS, DICTIONARY):
        try:
            fetch(package, folder)
        except CorpusError as error:
            problems.append(str(error))
    if problems:
        raise CorpusError("\n".join(problems))


def files(package: Package, folder: Path) -> Iterator[tuple[str, str]]:
    """Path and text of each document of the package, sorted by path."""
    command = ["dpkg-deb", "--fsys-tarfile", str(fetch(package, folder))]
    texts = {}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if member.isfile() and fnmatchcase(member.name, package.documents):
                texts[member.name] = archive.extractfile(member).read().decode("utf-8", "replace")
    yield from sorted(texts.items())


def passages(package: Package, folder: Path, rng: random.Random) -> Iterator[Passage]:
    """The package's prose in passages of one to three paragraphs. Repeated paragraphs are skipped."""
    seen: set[str] = set()
    for path, html in files(package, folder):
        if any(fnmatchcase(path, pattern) for pattern in EXCLUDED):
            continue
        for section in sections(html):
            prose = [text for text in section.paragraphs if is_prose(text) and text not in seen]
            seen.update(prose)
            while prose:
                size = rng.choice((1, 1, 2, 3))
                yield Passage(f"{package.name}:{path}", section.heading, " ".join(prose[:size]))
                del prose[:size]


def manuals(folder: Path, rng: random.Random) -> tuple[list[Passage], list[Passage]]:
    """The passages of the training set and those of the validation set."""
    everything = [passage for package in MANUALS for passage in passages(package, folder, rng)]
    validation = [passage for passage in everything if is_validation(passage)]
    return [passage for passage in everything if not is_validation(passage)], validation


def is_validation(passage: Passage) -> bool:
    """Whether a passage belongs to the validation set, by its document."""
    return any(fnmatchcase(passage.document, pattern) for pattern in VALIDATION)


def synsets(folder: Path) -> Iterator[tuple[list[str], str]]:
    """WordNet's synsets: words that share a meaning, and the gloss that explains it, with examples."""
    for _, text in files(DICTIONARY, folder):
        yield from parse_synsets(text)


def parse_synsets(text: str) -> Iterator[tuple[list[str], str]]:
    """The synsets of one WordNet data file. The licence at its top is indented and skipped."""
    for line in text.splitlines():
        if line.startswith(" ") or " | " not in line:
            continue
        data, gloss = line.split(" | ", 1)
        fields = data.split(" ")
        # Field 3 is the number of words in hexadecimal. A number follows each word; adjectives may end in "(p)".
        words = [fields[4 + 2 * i].split("(")[0].replace("_", " ") for i in range(int(fields[3], 16))]
        yield words, gloss.strip().replace('"', "")


def glosses(folder: Path, min_words: int = 6) -> list[Passage]:
    """WordNet's glosses of at least `min_words` words as passages: general English, which the manuals lack."""
    entries = [(words, gloss) for words, gloss in synsets(folder) if len(gloss.split()) >= min_words]
    return [Passage(DICTIONARY.name, words[0], f"{', '.join(words)}: {gloss}") for words, gloss in entries]


def thesaurus(folder: Path) -> dict[str, list[str]]:
    """Maps each word of WordNet to its synonyms; single lower-case words only."""
    synonyms: dict[str, set[str]] = {}
    for words, _ in synsets(folder):
        plain = {word for word in words if re.fullmatch("[a-z]{3,}", word)}
        for word in plain:
            synonyms.setdefault(word, set()).update(plain - {word})
    return {word: sorted(others) for word, others in sorted(synonyms.items()) if others}
