"""Passages to search and questions with known answers: the ones of this repository, or anybody's own."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archon_server import extraction
from archon_server.chunking import Chunk, chunk_text

HELD_OUT = Path(__file__).parents[1] / "demo_model" / "heldout.json"
MISLEADING = Path(__file__).with_name("misleading.json")
_EXAMPLE = '{"questions": [{"question": "How long is the timeout?", "contains": ["It is thirty seconds"]}]}'


class CollectionError(Exception):
    """Every problem of what was given, one a line."""


@dataclass(frozen=True)
class Question:
    """A passage answers it if it contains one of the texts `contains`, whatever the white space. `group` is for the
    report.
    """

    text: str
    contains: tuple[str, ...]
    group: str

    def is_answered_by(self, passage: str) -> bool:
        text = squeezed(passage)
        return any(squeezed(each) in text for each in self.contains)


@dataclass(frozen=True)
class Collection:
    """Chunks by document, and questions about them."""

    documents: dict[str, list[Chunk]]
    questions: list[Question]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def built_in() -> Collection:
    """491 passages of four manuals that the demo model never saw; 235 questions that use many words of their answers,
    and some that are worded to mislead a search by words.
    """
    held_out = json.loads(HELD_OUT.read_text(encoding="utf-8"))
    passages: dict[str, str] = held_out["passages"]
    documents: dict[str, list[Chunk]] = defaultdict(list)
    for name, text in passages.items():
        documents[name.rpartition("#")[0]].append(Chunk(text))
    questions = [
        Question(entry["question"], (passages[entry["answer"]],), group)
        for group, entries in (
            ("plain", held_out["lists"]),
            ("misleading", json.loads(MISLEADING.read_text(encoding="utf-8"))["questions"]),
        )
        for entry in entries
    ]
    return Collection(documents, questions)


def own(directory: Path, questions: Path) -> Collection:
    """The files below `directory`, read and cut as the server does it, and the questions of a JSON file.

    Raises CollectionError: a file that cannot be read, a question that no passage answers, no question at all.
    """
    problems: list[str] = []
    documents = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        try:
            documents[str(path.relative_to(directory))] = list(_chunks(path))
        except extraction.UnreadableFile as error:
            problems.append(str(error))
    asked = list(_questions(questions, problems))
    passages = [chunk.text for chunks in documents.values() for chunk in chunks]
    for question in asked:
        if not any(map(question.is_answered_by, passages)):
            problems.append(f"{question.text!r}: no passage contains any of {list(question.contains)}")
    if problems or not asked:
        raise CollectionError("\n".join(problems or [f"{questions} has no questions; expected {_EXAMPLE}"]))
    return Collection(documents, asked)


def _chunks(path: Path) -> Iterator[Chunk]:
    with path.open("rb") as file:
        lines = extraction.lines(file, path.name, path.stat().st_size)
        yield from chunk_text((line.text for line in lines), markdown=extraction.is_markdown(path.name))


def _questions(path: Path, problems: list[str]) -> Iterator[Question]:
    try:
        entries: Any = json.loads(path.read_text(encoding="utf-8"))["questions"]
        for entry in entries:
            contains = entry["contains"]
            if not isinstance(entry["question"], str) or not contains or not all(isinstance(c, str) for c in contains):
                raise ValueError(f"got {entry!r}")
            yield Question(entry["question"], tuple(contains), "own")
    except (OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f"{path}: {type(error).__name__}: {error}; expected {_EXAMPLE}")
